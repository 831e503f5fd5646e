"""Models of a few bytes that behave in odd ways, one ONNX file each: `tiny_onnx.py FOLDER` writes them.

Token t is row t of a table: sin(t * WIDTH + d). Token 9 is NaN. tiny.ts knows the same table.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TOKENS, WIDTH = 12, 8
TABLE = np.sin(np.arange(TOKENS * WIDTH, dtype=np.float64)).astype(np.float32).reshape(TOKENS, WIDTH)
TABLE[9] = np.nan
IDS, MASK, TYPES, POSITIONS = "input_ids", "attention_mask", "token_type_ids", "position_ids"


def save(path, nodes, inputs, outputs, constants=(), check=True):
    values = [numpy_helper.from_array(TABLE, "table"), *constants]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if check:
        onnx.checker.check_model(model)
    onnx.save(model, path)


def ids(name, kind=TensorProto.INT64):
    return helper.make_tensor_value_info(name, kind, ["batch", "sequence"])


def out(name, axes=3, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, ["batch", *(["sequence"] if axes == 3 else []), WIDTH])


node = helper.make_node
rows = node("Gather", ["table", IDS], ["rows"])


def outputs(folder, nodes, constants):
    """The names and widths of published exports, of the table's rows."""
    inputs = [ids(IDS), ids(MASK)]
    wide = numpy_helper.from_array(np.arange(WIDTH * TOKENS, dtype=np.float32).reshape(WIDTH, TOKENS), "wide")
    unit = numpy_helper.from_array(np.ones((WIDTH, 1), np.float32), "unit")
    constants = [*constants, wide, unit]

    def shaped(name, *axes):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *axes])

    rename = lambda name, source: node("Identity", [source], [name])
    bge = [rename("dense_vecs", "sentence_embedding"), node("MatMul", ["rows", "unit"], ["sparse_vecs"])]
    bge.append(rename("colbert_vecs", "rows"))
    three = [shaped("sparse_vecs", "sequence", 1), shaped("colbert_vecs", "sequence", WIDTH), shaped("dense_vecs", WIDTH)]
    save(folder / "bge-m3.onnx", [*nodes, *bge], inputs, three, constants)
    save(folder / "bge-m3-parts.onnx", [*nodes, *bge], inputs, three[:2], constants)
    logits = node("MatMul", ["rows", "wide"], ["logits"])
    save(folder / "logits.onnx", [*nodes, logits], inputs, [shaped("logits", "sequence", TOKENS)], constants)
    disguised = node("MatMul", ["rows", "wide"], ["token_embeddings"])
    save(folder / "wide.onnx", [*nodes, disguised], inputs, [shaped("token_embeddings", "sequence", TOKENS)], constants)
    projected = [*nodes[:-1], node("ReduceSum", ["kept", "one"], ["short"], keepdims=0)]
    projected.append(node("MatMul", ["short", "wide"], ["sentence_embedding"]))
    two = [shaped("last_hidden_state", "sequence", WIDTH), shaped("sentence_embedding", TOKENS)]
    save(folder / "projected.onnx", projected, inputs, two, constants)
    jina = [*nodes, rename("text_embeds", "rows")]
    save(folder / "jina-v3.onnx", jina, inputs, [shaped("text_embeds", "sequence", WIDTH)], constants)
    bert = [*nodes, rename("pooler_output", "sentence_embedding")]
    save(folder / "pooler.onnx", bert, inputs, [two[0], shaped("pooler_output", WIDTH)], constants)


def open_rank(folder):
    """A graph that says no shape of its output, and of which none can be inferred: reshaped by a computed one. onnxruntime runs it, though the checker wants a shape."""
    reshaped = [
        rows,
        node("Shape", ["rows"], ["shape"]),
        node("NonZero", ["shape"], ["axes"]),
        node("Squeeze", ["axes", "first"], ["places"]),
        node("Gather", ["shape", "places"], ["same"]),
        node("Reshape", ["rows", "same"], ["last_hidden_state"]),
    ]
    unsaid = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, None)
    first = numpy_helper.from_array(np.array([0], np.int64), "first")
    save(folder / "open-rank.onnx", reshaped, [ids(IDS), ids(MASK)], [unsaid], [first], check=False)


def shapes(folder, one):
    """Graphs without a mask, and of fixed shapes."""
    mean = node("ReduceMean", ["rows"], ["mean"], axes=[1], keepdims=1)
    # Every token sees all of them, padding too.
    save(folder / "leaky.onnx", [rows, mean, node("Add", ["rows", "mean"], ["last_hidden_state"])], [ids(IDS)], [out("last_hidden_state")])
    pooled = node("ReduceMean", ["rows"], ["pooler_output"], axes=[1], keepdims=0)
    save(folder / "siglip.onnx", [rows, pooled], [ids(IDS)], [out("pooler_output", 2)])
    # Scales of the whole run, as quantised models have them.
    quantised = [
        node("DynamicQuantizeLinear", ["rows"], ["q", "scale", "zero"]),
        node("DequantizeLinear", ["q", "scale", "zero"], ["last_hidden_state"]),
    ]
    save(folder / "quantised.onnx", [rows, *quantised], [ids(IDS), ids(MASK)], [out("last_hidden_state")])
    # The row of the greatest id, as CLIP finds the end of a text.
    top = [node("ReduceMax", [IDS], ["top"], axes=[1], keepdims=0), node("Gather", ["table", "top"], ["text_embeds"])]
    save(folder / "clip.onnx", top, [ids(IDS)], [out("text_embeds", 2)])
    for batch, length in ((1, 6), (3, None), (2, 6)):
        shape = [batch, length or "sequence"]
        inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in (IDS, MASK)]
        tokens = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*shape, WIDTH])
        nodes = [
            rows,
            node("Cast", [MASK], ["mask"], to=TensorProto.FLOAT),
            node("Unsqueeze", ["mask", "last"], ["column"]),
            node("Mul", ["rows", "column"], ["last_hidden_state"]),
        ]
        last = [numpy_helper.from_array(np.array([2], np.int64), "last")]
        save(folder / f"fixed-{batch}-{length or 'any'}.onnx", nodes, inputs, [tokens], last)


def refused(folder):
    """Whole files that a runtime cannot run, and one whose weights lie in a file that is not there."""
    kinds = {"newer-ir": (99, 17, TensorProto.FLOAT), "newer-opset": (8, 99, TensorProto.FLOAT)}
    kinds["bfloat16"] = (8, 17, TensorProto.BFLOAT16)
    for name, (ir, opset, kind) in kinds.items():
        cast = node("Cast", ["rows"], ["last_hidden_state"], to=kind)
        outputs = [out("last_hidden_state", kind=kind)]
        graph = helper.make_graph([rows, cast], name, [ids(IDS), ids(MASK)], outputs, [numpy_helper.from_array(TABLE, "table")])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
    outside = onnx.load(folder / "tokens.onnx")
    where = {"save_as_external_data": True, "location": "outside.onnx_data", "size_threshold": 0}
    onnx.save(outside, folder / "outside.onnx", **where)
    (folder / "outside.onnx_data").rename(folder / "outside.data.elsewhere")


def main():
    folder = Path(sys.argv[1])
    tokens = node("Identity", ["rows"], ["last_hidden_state"])
    save(folder / "tokens.onnx", [rows, tokens], [ids(IDS), ids(MASK)], [out("last_hidden_state")])
    # Names that nobody knows: found by their axes.
    named = [rows, node("Identity", ["rows"], ["b"]), node("ReduceSum", ["rows", "one"], ["a"], keepdims=0)]
    one = [numpy_helper.from_array(np.array([1], np.int64), "one")]
    save(folder / "named.onnx", named, [ids(IDS)], [out("a", 2), out("b")], one)
    # One vector a text: its tokens' sum under the mask.
    masked = [
        node("Cast", [MASK], ["mask"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["mask", "last"], ["column"]),
        node("Mul", ["rows", "column"], ["kept"]),
        node("ReduceSum", ["kept", "one"], ["sentence_embedding"], keepdims=0),
    ]
    last = [numpy_helper.from_array(np.array([2], np.int64), "last")]
    both = [out("last_hidden_state"), out("sentence_embedding", 2)]
    save(folder / "vectors.onnx", [rows, tokens, *masked], [ids(IDS), ids(MASK)], both, [*one, *last])
    outputs(folder, [rows, tokens, *masked], [*one, *last])
    open_rank(folder)
    shapes(folder, one)
    refused(folder)
    # Inputs of int32, and positions and types that show in the output.
    shift = [
        node("Cast", [POSITIONS], ["p"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["p", "last"], ["q"]),
        node("Cast", [TYPES], ["t"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["t", "last"], ["u"]),
        node("Add", ["rows", "q"], ["moved"]),
        node("Add", ["moved", "u"], ["last_hidden_state"]),
    ]
    small = [ids(name, TensorProto.INT32) for name in (IDS, POSITIONS, TYPES)]
    save(folder / "positions.onnx", [rows, *shift], small, [out("last_hidden_state")], last)
    half = node("Cast", ["rows"], ["last_hidden_state"], to=TensorProto.FLOAT16)
    save(folder / "half.onnx", [rows, half], [ids(IDS)], [out("last_hidden_state", kind=TensorProto.FLOAT16)])
    for name, shape in (("task", [1]), ("scalar-task", [])):
        task = [node("Cast", ["task_id"], ["f"], to=TensorProto.FLOAT), node("Add", ["rows", "f"], ["last_hidden_state"])]
        inputs = [ids(IDS), helper.make_tensor_value_info("task_id", TensorProto.INT64, shape)]
        save(folder / f"{name}.onnx", [rows, *task], inputs, [out("last_hidden_state")])
    # The whole of CLIP wants pictures beside texts.
    pixels = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", WIDTH])
    pictures = node("Identity", ["pixel_values"], ["image_embeds"])
    words = node("ReduceSum", ["rows", "one"], ["text_embeds"], keepdims=0)
    save(folder / "clip-whole.onnx", [rows, words, pictures], [ids(IDS), pixels, ids(MASK)], [out("text_embeds", 2), out("image_embeds", 2)], one)
    unknown = [node("Add", ["rows", "past"], ["last_hidden_state"])]
    save(folder / "unknown.onnx", [rows, *unknown], [ids(IDS), out("past")], [out("last_hidden_state")])
    whole = [node("Cast", ["rows"], ["last_hidden_state"], to=TensorProto.INT32)]
    save(folder / "integers.onnx", [rows, *whole], [ids(IDS)], [out("last_hidden_state", kind=TensorProto.INT32)])
    # It has so many words that its table stays in the file.
    many = numpy_helper.from_array(np.concatenate([TABLE, np.ones((300_000, WIDTH), np.float32)]), "many")
    graph = [node("Gather", ["many", IDS], ["last_hidden_state"])]
    save(folder / "large.onnx", graph, [ids(IDS), ids(MASK)], [out("last_hidden_state")], [many])
    # Fails for more than four tokens: the table of positions is too short.
    four = [numpy_helper.from_array(np.zeros((1, 4, WIDTH), np.float32), "four")]
    add = node("Add", ["rows", "four"], ["last_hidden_state"])
    save(folder / "short.onnx", [rows, add], [ids(IDS)], [out("last_hidden_state")], four)


main()
