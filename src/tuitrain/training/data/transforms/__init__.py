"""Random transforms of batches of training images, which give each image its own parameters.

Images are floats (N, C, H, W) in [0, 1]. All transforms draw from the global generator of the device. None of them
waits for a GPU, so that CUDA graphs can contain them.
"""
