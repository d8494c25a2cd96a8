import os

import cv2
import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG4HP41,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from capsight.data.video import open_video
from capsight.errors import UserError

from .films import N, film, number_of

FRAMES = [np.full((48, 40, 3), (20 * number, 100, 50), np.uint8) for number in range(8)]


def write(file, frames=FRAMES, syntax=ExplicitVRLittleEndian, pixels=None, colour="RGB", **tags):
    dicom = Dataset()
    dicom.file_meta = FileMetaDataset()
    dicom.file_meta.TransferSyntaxUID = syntax
    dicom.file_meta.MediaStorageSOPClassUID = dicom.SOPClassUID = SecondaryCaptureImageStorage
    dicom.file_meta.MediaStorageSOPInstanceUID = dicom.SOPInstanceUID = generate_uid()
    dicom.PatientName, dicom.PatientID, dicom.StudyDate = "Doe^Jane", "4711", "20200101"
    if frames:
        depth = 8 * frames[0].dtype.itemsize
        dicom.NumberOfFrames, (dicom.Rows, dicom.Columns) = len(frames), frames[0].shape[:2]
        dicom.SamplesPerPixel, dicom.PhotometricInterpretation = (3 if frames[0].ndim == 3 else 1), colour
        dicom.PlanarConfiguration, dicom.PixelRepresentation, dicom.FrameTime = 0, 0, 500
        dicom.BitsAllocated, dicom.BitsStored, dicom.HighBit = depth, depth, depth - 1
        dicom.PixelData = pixels or b"".join(frame.tobytes() for frame in frames)
        dicom["PixelData"].is_undefined_length = syntax.is_compressed
    for name, value in tags.items():
        setattr(dicom, name, value)
    dicom.save_as(file, enforce_file_format=True)
    return file


def jpegs():
    return [cv2.imencode(".jpg", frame[..., ::-1])[1].tobytes() for frame in FRAMES]


def reds(shots):
    return [None if shot.image is None else int(shot.image[24, 20, 0]) for shot in shots]


def test_plain_frames_have_numbers_and_seconds(tmp_path):
    opened = open_video(write(tmp_path / "a.dcm"))
    shots = list(opened.frames())
    assert [shot.frame for shot in shots] == list(range(8))
    assert [shot.seconds for shot in shots] == [number / 2 for number in range(8)]
    assert all(np.array_equal(shot.image, frame) for shot, frame in zip(shots, FRAMES, strict=True))
    assert reds(opened.frames(5)) == [100, 120, 140]
    assert opened.frames_per_second == 2


def test_a_dicom_needs_no_ending_in_its_name(tmp_path):
    assert open_video(write(tmp_path / "IM0001")).n_frames == 8


def test_grey_frames_of_any_depth_become_rgb(tmp_path):
    deep = [frame[..., 0].astype(np.uint16) * 257 for frame in FRAMES]
    shots = list(open_video(write(tmp_path / "a.dcm", deep, colour="MONOCHROME1")).frames())
    assert reds(shots) == [255 - 20 * number for number in range(8)]
    assert shots[0].image.shape == (48, 40, 3)


@pytest.mark.parametrize(("how", "is_searched"), [({}, False), ({"has_bot": False}, True)])
def test_compressed_frames_and_one_that_is_damaged(tmp_path, how, is_searched):
    parts = jpegs()
    parts[4] = b"\xff\xd8" + os.urandom(300)
    pixels = encapsulate(parts, **how)
    file = write(tmp_path / "a.dcm", syntax=JPEGBaseline8Bit, pixels=pixels, colour="YBR_FULL_422")
    assert bool(open_video(file)._places) == is_searched
    for start in (0, 3):
        shots = list(open_video(file).frames(start))
        assert [shot.frame for shot in shots] == list(range(start, 8))
        assert [shot.frame for shot in shots if shot.image is None] == [4]
        assert [shot.frame for shot in shots if shot.problem] == [4]
        assert "0x" not in shots[4 - start].problem
        assert all(abs(red - 20 * shot.frame) <= 2 for red, shot in zip(reds(shots), shots, strict=True) if red)


def test_frames_in_several_fragments(tmp_path):
    pixels = encapsulate(jpegs(), has_bot=False, fragments_per_frame=2)
    opened = open_video(write(tmp_path / "a.dcm", syntax=JPEGBaseline8Bit, pixels=pixels, colour="YBR_FULL_422"))
    assert opened._places == {}
    np.testing.assert_allclose(reds(opened.frames(3)), [60, 80, 100, 120, 140], atol=2)


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_a_file_that_was_cut_short_ends_in_unreadable_frames(tmp_path):
    file = write(tmp_path / "a.dcm")
    file.write_bytes(file.read_bytes()[:-15000])
    shots = list(open_video(file).frames())
    assert [shot.image is None for shot in shots] == [False] * 5 + [True] * 3
    assert all(shot.problem for shot in shots[5:])


def test_a_film_in_a_dicom_is_read_as_a_film(tmp_path):
    stream = film(tmp_path / "a.mp4", "libx264").read_bytes()
    blank = [np.zeros((64, 64, 3), np.uint8)] * N
    file = write(tmp_path / "a.dcm", blank, MPEG4HP41, encapsulate([stream]), "YBR_PARTIAL_420")
    opened = open_video(file)
    assert [number_of(shot.image) for shot in opened.frames(50)] == list(range(50, N))
    assert opened.fingerprint()["name"] == "a.dcm"


def test_who_the_patient_is_is_kept_nowhere(tmp_path):
    opened = open_video(write(tmp_path / "a.dcm"))
    told = repr([vars(opened), opened.fingerprint(), [shot._replace(image=None) for shot in opened.frames()]])
    assert not any(word in told for word in ("Doe", "Jane", "4711", "20200101"))


def test_text_that_is_burned_in_is_told(tmp_path):
    assert "burned into" in open_video(write(tmp_path / "a.dcm", BurnedInAnnotation="YES")).notes[0]
    assert open_video(write(tmp_path / "b.dcm", BurnedInAnnotation="NO")).notes == []


@pytest.mark.parametrize(
    ("how", "says"),
    [({"frames": None}, "DICOM without pixels"), ({"colour": "PALETTE COLOR"}, "PALETTE COLOR")],
)
def test_what_cannot_be_read_is_one_line(tmp_path, how, says):
    with pytest.raises(UserError, match=says):
        open_video(write(tmp_path / "a.dcm", **how))


def test_a_damaged_header_is_one_line(tmp_path):
    (tmp_path / "a.dcm").write_bytes(bytes(128) + b"DICM" + os.urandom(40))
    with pytest.raises(UserError, match="DICOM"):
        open_video(tmp_path / "a.dcm")
