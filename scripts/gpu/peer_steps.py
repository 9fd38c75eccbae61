"""PyTorch's training steps on the card at both sizes, in one process: a line of JSON each, as scripts/peers/torch_dcgan.py prints them."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "peers"))
import torch
import torch_dcgan

if not torch.cuda.is_available():
    sys.exit("PyTorch sees no card")
torch.backends.cudnn.benchmark = True
for size, batch, steps in ((32, 64, 300), (64, 128, 100)):
    for options in ([], ["--channels-last"], ["--channels-last", "--tf32"]):
        sys.argv = ["torch_dcgan.py", "--device", "cuda", "--size", str(size), "--batch", str(batch), "--features", "64", "--channels", "3"]
        sys.argv += ["--warmup", "30", "--steps", str(steps), *options]
        torch_dcgan.main()
