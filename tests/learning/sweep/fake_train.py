"""A training that takes no time: it scores the better, the nearer `x` is to 1, and leaves the files of a run.

x=NUMBER: what varies; or model.optimiser.lr, a hundredth of it. Names may begin with +trainer.
epochs=N. pause=SECONDS (or the variable PAUSE): after each epoch. frames=FOLDER: predictions of ten qualities.
fail=WHERE: end with an error at the start (always), or where x is below 0.5 (low); remove the whole sweep (remove).
"""

import os
import shutil
import sys
import time
from pathlib import Path

told = dict(word.removeprefix("+trainer.").split("=", 1) for word in sys.argv[1:])
run_dir, x = Path(told["run_dir"].strip("'")), float(told.get("x") or 100 * float(told["model.optimiser.lr"]))
(run_dir / "pid").write_text(str(os.getpid()))
with open(run_dir / "starts", "a") as starts:
    starts.write(f"{x}\n")
if told.get("fail") == "remove":
    shutil.rmtree(run_dir.parent)
    sys.exit(1)
if told.get("fail") == "always" or (told.get("fail") == "low" and x < 0.5):
    sys.exit("error: this training cannot work.")
(run_dir / "config.yaml").write_text("data: {findings: [polyp]}\n")
logs = run_dir / "logs" / f"version_{len(list(run_dir.glob('logs/*')))}"
logs.mkdir(parents=True)
with open(logs / "metrics.csv", "w") as log:
    log.write("epoch,step,val_score\n")
    for epoch in range(int(told.get("epochs", "1"))):
        log.write(f"{epoch},{epoch},{x}\n")
        log.flush()
        time.sleep(float(told.get("pause") or os.environ.get("PAUSE", "0")))
(run_dir / "validation").mkdir(exist_ok=True)
shutil.copy(Path(told["frames"], f"{min(9, int(10 * x))}.parquet"), run_dir / "validation" / "predictions.parquet")
(run_dir / "metrics.json").write_text("{}\n")
