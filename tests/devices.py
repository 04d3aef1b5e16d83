"""The kinds of device that trainings can be tested on here: the CPU, and CUDA where torch finds one."""

import torch

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
