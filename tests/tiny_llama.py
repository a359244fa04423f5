"""A real llama.cpp that serves a model of our own making: run as a script, it prints its address and serves.

The model has no attention and no thoughts. Each token is a direction of its own, and the last layer turns it into the
token that follows it: whatever the conversation, the answer is ``SAID``. The template is as strict as any.
"""

import struct
import sys
import time
from array import array
from itertools import pairwise
from pathlib import Path

SAID = ["\u2581We", "\u2581close", "\u2581at", "\u2581five", "."]
CONTEXT_TOKENS = 256
WIDTH, HEADS, INNER = 288, 9, 32
TOKENS = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *SAID, "<|answer|>"]
KINDS = [2, 3, 3, *[6] * 256, *[1] * len(SAID), 3]
"""Unknown, control, byte, normal."""
TEMPLATE = """\
{%- if messages[0].role == 'system' -%}{{ messages[0].content }}{%- set talk = messages[1:] -%}
{%- else -%}{%- set talk = messages -%}{%- endif -%}
{%- set ns = namespace(index=0) -%}
{%- for message in talk -%}
{%- if message.role == 'system' -%}{{ raise_exception('System message must be at the beginning.') }}{%- endif -%}
{%- if message.role != 'tool' and not message.tool_calls -%}
{%- if (message.role == 'user') != (ns.index % 2 == 0) -%}
{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
{%- endif -%}
{%- set ns.index = ns.index + 1 -%}
{%- endif -%}
{{ message.role }}: {{ message.content }}
{% endfor -%}
<|answer|>"""


def model() -> bytes:
    """The model as a GGUF file, version 3 (ggml's docs/gguf.md)."""
    follows = [TOKENS.index("<|answer|>"), *map(TOKENS.index, SAID), TOKENS.index("</s>")]
    numbers = {
        "context_length": 512,
        "embedding_length": WIDTH,
        "block_count": 1,
        "feed_forward_length": INNER,
        "attention.head_count": HEADS,
        "attention.head_count_kv": HEADS,
        "rope.dimension_count": WIDTH // HEADS,
        "vocab_size": len(TOKENS),
    }
    ids = {"bos_token_id": 1, "eos_token_id": 2, "unknown_token_id": 0}
    keys = [
        _key("general.architecture", 8, _text("llama")),
        *(_key(f"llama.{name}", 4, struct.pack("<I", number)) for name, number in numbers.items()),
        _key("llama.attention.layer_norm_rms_epsilon", 6, struct.pack("<f", 1e-5)),
        _key("tokenizer.ggml.model", 8, _text("llama")),
        _key("tokenizer.ggml.tokens", 9, _list(8, [_text(token) for token in TOKENS])),
        _key("tokenizer.ggml.scores", 9, _list(6, [struct.pack("<f", 0.0)] * len(TOKENS))),
        _key("tokenizer.ggml.token_type", 9, _list(5, [struct.pack("<i", kind) for kind in KINDS])),
        *(_key(f"tokenizer.ggml.{name}", 4, struct.pack("<I", number)) for name, number in ids.items()),
        _key("tokenizer.ggml.add_space_prefix", 7, b"\0"),
        _key("tokenizer.chat_template", 8, _text(TEMPLATE)),
    ]
    ones = array("f", [1.0] * WIDTH)
    tensors = {
        "token_embd.weight": _matrix(len(TOKENS), WIDTH, {(token, token): 1.0 for token in range(len(TOKENS))}),
        "output_norm.weight": ((WIDTH,), ones),
        "output.weight": _matrix(len(TOKENS), WIDTH, {(after, now): 10.0 for now, after in pairwise(follows)}),
        "blk.0.attn_norm.weight": ((WIDTH,), ones),
        **{f"blk.0.attn_{name}.weight": _matrix(WIDTH, WIDTH, {}) for name in ("q", "k", "v", "output")},
        "blk.0.ffn_norm.weight": ((WIDTH,), ones),
        "blk.0.ffn_gate.weight": _matrix(INNER, WIDTH, {}),
        "blk.0.ffn_up.weight": _matrix(INNER, WIDTH, {}),
        "blk.0.ffn_down.weight": _matrix(WIDTH, INNER, {}),
    }
    infos, data = b"", b""
    for name, (shape, values) in tensors.items():
        infos += (
            _text(name)
            + struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
            + struct.pack("<IQ", 0, len(data))
        )
        data += values.tobytes() + bytes(-len(values.tobytes()) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(keys) + infos
    return head + bytes(-len(head) % 32) + data


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _key(name: str, kind: int, value: bytes) -> bytes:
    return _text(name) + struct.pack("<I", kind) + value


def _list(kind: int, values: list[bytes]) -> bytes:
    return struct.pack("<IQ", kind, len(values)) + b"".join(values)


def _matrix(rows: int, columns: int, weights: dict[tuple[int, int], float]) -> tuple[tuple[int, ...], "array[float]"]:
    values = array("f", bytes(4 * rows * columns))
    for (row, column), weight in weights.items():
        values[row * columns + column] = weight
    return (rows, columns), values


def serve(path: Path) -> None:
    """Make the model at a path and serve it until killed."""
    import xllamacpp  # type: ignore[import-untyped,import-not-found,unused-ignore]  # it has no types

    path.write_bytes(model())
    asked = xllamacpp.CommonParams()
    asked.model.path, asked.n_ctx, asked.port, asked.n_parallel = str(path), CONTEXT_TOKENS, 0, 1
    asked.use_jinja, asked.warmup, asked.cpuparams.n_threads = True, False, 1
    server = xllamacpp.Server(asked)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    time.sleep(300)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
