"""Learners that change the encoder itself: low-rank updates of its weights (LoRA), or all weights."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from app.artifacts.minilm import LAYERS, POOLED, minilm_path
from app.artifacts.quiet import quiet
from train.compared.examples import Examples, Predictor
from train.compared.logits import loss, probabilities
from train.features import Array32, Features

BATCH, SEED = 32, 7
WARM_UP = 0.1  # of all steps
RANK, ALPHA, DROPOUT = 16, 32, 0.05  # of LoRA


@dataclass(frozen=True, slots=True)
class TunedLearner:
    """Linear heads on the means of the layers that the frozen learners read. `tokens` of a text are read, at most."""

    name: str
    about: str
    lora: bool
    rate: float
    epochs: int
    tokens: int
    head_rate: float = 1e-3
    frozen: bool = False

    def fit(self, examples: Examples) -> Predictor:
        torch.manual_seed(SEED)
        network = Network(examples.targets.values.shape[1], self.lora, self.tokens)
        values, heads = torch.as_tensor(examples.targets.values), examples.targets.heads
        ids = network.ids(examples.texts)
        steps = self.epochs * -(-len(ids) // BATCH)
        optimiser, schedule = self._optimiser(network, steps)
        network.train()
        with tqdm(total=steps, desc=self.name, unit="step") as bar:
            for _ in range(self.epochs):
                for lines in _batches(ids, shuffled=True):
                    optimiser.zero_grad()
                    found = loss(heads, network([ids[line] for line in lines]), values[lines])
                    torch.autograd.backward(found)
                    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                    optimiser.step()
                    schedule.step()
                    bar.set_postfix(loss=f"{found.item():.3f}", refresh=False)
                    bar.update()
        network.eval()

        def predict(texts: Sequence[str], _: Features) -> Array32:
            given = network.ids(texts)
            logits = torch.empty(len(given), values.shape[1])
            with torch.inference_mode():
                for lines in _batches(given, shuffled=False):
                    logits[lines] = network([given[line] for line in lines])
            return probabilities(heads, logits)

        return predict

    def _optimiser(self, network: "Network", steps: int) -> tuple[torch.optim.Optimizer, Any]:
        """The rates rise over the first steps, then fall to nothing."""
        encoder = [weight for weight in network.encoder.parameters() if weight.requires_grad]
        heads = [*network.norm.parameters(), *network.heads.parameters()]
        groups = [{"params": encoder, "lr": self.rate}, {"params": heads, "lr": self.head_rate}]
        optimiser, warm = torch.optim.AdamW(groups, weight_decay=0.01), max(1, int(WARM_UP * steps))

        def factor(step: int) -> float:
            return min((step + 1) / warm, (steps - step) / max(1, steps - warm))

        return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, factor)


class Network(nn.Module):
    """Lists of token ids to logits, (n, outputs)."""

    def __init__(self, outputs: int, lora: bool, tokens: int) -> None:
        from transformers import AutoModel, AutoTokenizer

        super().__init__()
        with quiet():
            self._tokenizer = AutoTokenizer.from_pretrained(minilm_path())
            encoder = AutoModel.from_pretrained(minilm_path(), dtype=torch.float32, add_pooling_layer=False)
        encoder.encoder.layer = encoder.encoder.layer[: max(LAYERS)]
        self.encoder: Any = _with_lora(encoder) if lora else encoder
        self._tokens = tokens
        self.norm = nn.LayerNorm(POOLED)
        self.heads = nn.Linear(POOLED, outputs)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        found: list[list[int]] = self._tokenizer(list(texts), truncation=True, max_length=self._tokens)["input_ids"]
        return found

    def forward(self, ids: Sequence[Sequence[int]]) -> Tensor:
        longest = max(map(len, ids))
        padded = torch.tensor([[*one, *[0] * (longest - len(one))] for one in ids])
        mask = torch.arange(longest) < torch.tensor([len(one) for one in ids])[:, None]
        states = self.encoder(input_ids=padded, attention_mask=mask.long(), output_hidden_states=True).hidden_states
        weight = mask[:, :, None].float()
        means = [(states[layer] * weight).sum(1) / weight.sum(1) for layer in LAYERS]
        logits: Tensor = self.heads(self.norm(torch.cat(means, 1)))
        return logits


def tuned_learners(epochs: int, tokens: int) -> tuple[TunedLearner, TunedLearner]:
    return (
        TunedLearner("lora", "LoRA of rank 16 on all linear layers", True, 1e-3, epochs, tokens),
        TunedLearner("full", "full fine-tuning", False, 2e-4, epochs, tokens),
    )


def _with_lora(encoder: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=DROPOUT, target_modules="all-linear")
    return get_peft_model(encoder, config)


def _batches(ids: Sequence[Sequence[int]], *, shuffled: bool) -> Iterator[Tensor]:
    """Lines of texts of about the same length, so that little is padded."""
    noise = torch.rand(len(ids)) if shuffled else torch.zeros(len(ids))
    length = torch.tensor([len(one) for one in ids])
    order = torch.argsort(length * (1 + 0.2 * noise))
    batches = order.split(BATCH)  # type: ignore[no-untyped-call]
    for at in torch.randperm(len(batches)) if shuffled else torch.arange(len(batches)):
        yield batches[int(at)]
