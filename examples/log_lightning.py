"""A run of Lightning that tuitrain shows and stops: `python examples/log_lightning.py`, then `tuitrain`."""

import lightning
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from tuitrain.integrations.lightning import StopOnRequest, TuitrainLogger


class Network(lightning.LightningModule):
    def __init__(self, **hparams):
        super().__init__()
        self.save_hyperparameters()
        self.layers = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
        self.configure_optimizers = lambda: torch.optim.SGD(self.parameters(), hparams["lr"])

    def training_step(self, batch):
        loss = cross_entropy(self.layers(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch):
        self.log("val_acc", (self.layers(batch[0]).argmax(1) == batch[1]).float().mean())


labels = torch.randint(10, (2000,))
data = TensorDataset(torch.randn(2000, 64) + 2 * torch.eye(10, 64)[labels], labels)
trainer = lightning.Trainer(max_epochs=100, logger=TuitrainLogger(name="lightning"), callbacks=[StopOnRequest()])
trainer.fit(Network(lr=0.05), *(DataLoader(part, 64) for part in torch.utils.data.random_split(data, [0.8, 0.2])))
