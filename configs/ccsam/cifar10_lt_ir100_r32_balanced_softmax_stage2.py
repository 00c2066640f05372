# CC-SAM after Balanced Softmax, stage 2, on CIFAR-10-LT (imbalance 100), ResNet-32.
# Loads the checkpoint of stage 1 automatically. Its loss is plain cross entropy, because
# class-balanced sampling shows all classes equally often.
#   python tools/train.py configs/ccsam/cifar10_lt_ir100_r32_balanced_softmax_stage2.py
# Checked: builds and steps; not run at full length.
_base_ = './cifar10_lt_ir100_r32_stage2.py'
