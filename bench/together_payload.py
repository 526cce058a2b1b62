"""A training of small steps, each of which ends in a barrier of all threads: what suffers most in a crowd."""

import time

import torch

from blut_resources.payload_kit.device import use_threads
from blut_resources.payload_kit.session import payload_session

WIDTH, BATCH = 512, 256


def main() -> None:
    """Entry point."""
    with payload_session() as session:
        use_threads(session.config["threads"])
        torch.manual_seed(session.config["seed"])
        model = torch.nn.Sequential(
            *(torch.nn.Linear(WIDTH, WIDTH), torch.nn.Tanh(), torch.nn.Linear(WIDTH, WIDTH))
        )
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        inputs, wanted = torch.randn(BATCH, WIDTH), torch.randn(BATCH, WIDTH)
        started, loss = time.time(), torch.zeros(())
        for _ in range(session.config["steps"]):
            loss = ((model(inputs) - wanted) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        (session.out / "loss").write_text(repr(float(loss.detach())))
        session.done(loss=float(loss.detach()), began=started, ended=time.time())


if __name__ == "__main__":
    main()
