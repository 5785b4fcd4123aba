"""A plain PyTorch loop whose run tuitrain shows and steers: `python examples/log_plain_torch.py`, then `tuitrain`."""

import torch

import tuitrain

run = tuitrain.init(name="plain-torch", config={"lr": 0.05, "batch_size": 64, "epochs": 20})
torch.manual_seed(0)
images, labels = torch.randn(2000, 64), torch.randint(10, (2000,))
images += 2 * torch.eye(10, 64)[labels]
model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
optimizer = torch.optim.SGD(model.parameters(), momentum=0.9)
for epoch in range(run.config.epochs):
    for batch in torch.randperm(1600).split(run.config.batch_size):
        optimizer.param_groups[0]["lr"] = run.setting("lr")
        loss = torch.nn.functional.cross_entropy(model(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.log({"train/loss": loss, "lr": run.setting("lr"), "epoch": epoch})
    with torch.no_grad():
        probabilities = model(images[1600:]).softmax(1)
    accuracy = (probabilities.argmax(1) == labels[1600:]).float().mean()
    run.log({"val/accuracy": accuracy}, commit=False)
    if run.should_stop:
        break
run.log_predictions(labels[1600:], probabilities, [str(digit) for digit in range(10)])
run.finish()
