"""Environment variables by which a process is given GPUs. HIP reads its own, or else CUDA's."""

HIP, CUDA = "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"
HIDDEN = ("-", "NoDevFiles")  # beginnings of what stands for no GPU, as does all that follows it


def names(visible: str) -> list[str]:
    """Return the GPUs that the value of such a variable leaves."""
    listed = [name.strip() for name in visible.split(",") if name.strip()]
    end = next((i for i, name in enumerate(listed) if name.startswith(HIDDEN)), len(listed))
    return listed[:end]
