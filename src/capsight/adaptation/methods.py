"""The methods by their names, and a combination of them from the section `adaptation` of the config."""

from capsight.adaptation.adabn import AdaBN
from capsight.adaptation.base import Combined
from capsight.adaptation.cdan import Cdan
from capsight.adaptation.colour_transfer import ColourTransfer
from capsight.adaptation.dan import Dan
from capsight.adaptation.dann import Dann
from capsight.adaptation.deep_coral import DeepCoral
from capsight.adaptation.fda import Fda
from capsight.adaptation.few_shot import FewShot
from capsight.adaptation.joint import Joint
from capsight.adaptation.mcd import Mcd
from capsight.adaptation.mixstyle import MixStyle
from capsight.adaptation.shot import Shot
from capsight.adaptation.tent import Tent
from capsight.errors import UserError

METHODS = {
    "adabn": AdaBN,
    "cdan": Cdan,
    "colour_transfer": ColourTransfer,
    "dan": Dan,
    "dann": Dann,
    "deep_coral": DeepCoral,
    "fda": Fda,
    "few_shot": FewShot,
    "joint": Joint,
    "mcd": Mcd,
    "mixstyle": MixStyle,
    "shot": Shot,
    "tent": Tent,
}


def build_adaptation(settings: dict[str, dict] | None) -> Combined:
    """Build the methods of {name: settings}, in this order. UserError for unknown names and impossible settings."""
    methods = []
    for name, options in (settings or {}).items():
        if name not in METHODS:
            raise UserError(f"adaptation={name} is not known; choose none, {', '.join(METHODS)}.")
        try:
            methods.append(METHODS[name](**(options or {})))
        except (TypeError, ValueError) as error:
            raise UserError(f"adaptation.{name}: {error}.") from None
    try:
        return Combined(methods)
    except ValueError as error:
        raise UserError(f"adaptation={','.join(settings)}: {error}.") from None
