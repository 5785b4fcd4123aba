"""A run of Hugging Face that tuitrain shows and stops: `python examples/log_hugging_face.py`, then `tuitrain`."""

import torch
from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification

from tuitrain.integrations.transformers import TuitrainCallback

labels = torch.randint(10, (1000,))
images = torch.randn(1000, 3, 16, 16) + labels.view(-1, 1, 1, 1) / 3
data = [{"pixel_values": image, "labels": label} for image, label in zip(images, labels, strict=True)]
config = ViTConfig(
    image_size=16, patch_size=4, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
    num_labels=10,
)  # fmt: skip
options = {"learning_rate": 1e-3, "per_device_train_batch_size": 50, "per_device_eval_batch_size": 200}
trainer = Trainer(
    ViTForImageClassification(config),
    TrainingArguments(
        "out", num_train_epochs=100, eval_strategy="epoch", save_strategy="no", logging_steps=4, **options
    ),
    train_dataset=data[:800],
    eval_dataset=data[800:],
    compute_metrics=lambda found: {"accuracy": (found.predictions.argmax(1) == found.label_ids).mean()},
    callbacks=[TuitrainCallback(name="hugging-face")],
)
trainer.train()
