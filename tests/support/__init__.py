"""What tests of several rooms share: made stacks, stand-ins, files of other programs' kinds."""
