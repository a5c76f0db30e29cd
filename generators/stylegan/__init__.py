"""The StyleGAN family (Karras et al. 2019, 2020, 2021), with the key names of NVIDIA's PyTorch releases."""
