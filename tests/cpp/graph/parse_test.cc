// Every refusal of the graph's reader, with the words that name what is wrong.
#include <gtest/gtest.h>

#include <string>

#include "core/json.h"
#include "graph/graph.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

Graph Parse(const std::string& nodes, const std::string& output = "y",
            const std::string& input = R"({"name": "x", "channels": 3})") {
  return ParseGraph(Json::Parse(
      "{\"input\": " + input + ", \"nodes\": [" + nodes + "], \"output\": \"" + output + "\"}",
      "graph"));
}

std::string Node(const std::string& op, const std::string& fields, const std::string& inputs = "x",
                 const std::string& output = "y") {
  const std::string list = inputs.empty() ? "" : "\"" + inputs + "\"";
  return R"({"op": ")" + op + R"(", "inputs": [)" + list + R"(], "output": ")" + output + "\"" +
         (fields.empty() ? "" : ", " + fields) + "}";
}

const std::string kVector = Node("global_avg_pool", "", "x", "v");

struct Refusal {
  const char* what;
  std::string nodes, message;
};

const Refusal kRefusals[] = {
    {"unknown operator", Node("attention", ""), "operator 'attention'"},
    {"unknown activation", Node("activation", R"("kind": "square")"), "activation 'square'"},
    {"no kind", Node("activation", ""), "kind"},
    {"unknown tensor", Node("softmax", "", "z"), "'z' is used before it is produced"},
    {"produced twice", Node("softmax", "") + "," + Node("softmax", "", "y", "y"),
     "'y' is produced twice"},
    {"no inputs", Node("softmax", "", ""), "is empty"},
    {"two inputs for one", Node("softmax", "", R"(x", "x)"), "must hold one tensor"},
    {"one input for two", Node("add", ""), "must hold two tensors"},
    {"kernel of one number", Node("max_pool", R"("kernel": [2])"), "must hold two integers"},
    {"kernel of 0", Node("max_pool", R"("kernel": [0, 2])"), "kernel"},
    {"kernel of 256", Node("max_pool", R"("kernel": [256, 2])"), "kernel"},
    {"stride of 65", Node("max_pool", R"("stride": [65, 1])"), "stride"},
    {"dilation of 0", Node("max_pool", R"("dilation": [0, 1])"), "dilation"},
    {"three amounts", Node("crop", R"("amounts": [1, 1, 1])"),
     "must hold top, left, bottom, right"},
    {"negative amounts", Node("crop", R"("amounts": [-1, 0, 0, 0])"), "amounts"},
    {"unknown border", Node("pad", R"("border": "wrap")"), "unknown mode 'wrap'"},
    {"no weight", Node("conv2d", R"("in_channels": 3, "out_channels": 2)"), "'weight' is missing"},
    {"no output channels", Node("conv2d", R"("weight": "w", "in_channels": 3)"),
     "'out_channels' is missing"},
    {"other input channels",
     Node("conv2d", R"("weight": "w", "in_channels": 4, "out_channels": 2)"),
     "in_channels 4 but its input has 3"},
    {"groups that do not divide",
     Node("conv2d", R"("weight": "w", "in_channels": 3, "out_channels": 2, "groups": 3)"),
     "must divide"},
    {"output padding of a stride",
     Node("conv_transpose2d",
          R"("weight": "w", "in_channels": 3, "out_channels": 2, "output_padding": [1, 1])"),
     "must be smaller than the stride"},
    {"linear of planes", Node("linear", R"("weight": "w", "in_channels": 3, "out_channels": 2)"),
     "flattened"},
    {"affine without shift", Node("affine", R"("weight": "w")"), "needs weight and bias"},
    {"prelu without slopes", Node("activation", R"("kind": "prelu")"), "prelu needs a weight"},
    {"padding of a whole window", Node("max_pool", R"("kernel": [2, 2], "amounts": [2, 0, 0, 0])"),
     "smaller than the kernel"},
    {"flatten without size", Node("flatten", ""), "'out_channels' is missing"},
    {"flatten of a vector", kVector + "," + Node("flatten", R"("out_channels": 5)", "v"),
     "must equal the channels of a vector"},
    {"planes joined with a vector", kVector + "," + Node("concat", "", R"(x", "v)"),
     "concat of planes and vectors"},
    {"channels that do not match",
     Node("conv2d", R"("weight": "w", "in_channels": 3, "out_channels": 2)", "x", "a") + "," +
         Node("add", "", R"(x", "a)"),
     "channels 3 and 2 do not match"},
    {"channels that are no blocks", Node("depth_to_space", R"("stride": [2, 2])"),
     "3 channels are no multiple of 4"},
    {"unknown order", Node("depth_to_space", R"("order": "rows")"), "unknown order 'rows'"},
    {"unknown binary", Node("binary", R"("kind": "xor")"), "binary 'xor'"},
    {"one operand", Node("binary", R"("kind": "sub")"), "needs two inputs, or one and a weight"},
    {"three operands", Node("binary", R"("kind": "sub", "weight": "w")", R"(x", "x)"),
     "needs two inputs, or one and a weight"},
    {"two choices", Node("where", R"("weight": "w")"), "needs three inputs"},
    {"unknown function", Node("function", R"("kind": "gamma")"), "function 'gamma'"},
    {"power without exponent", Node("function", R"("kind": "pow")"), "alpha"},
    {"softplus of nothing", Node("activation", R"("kind": "softplus", "alpha": 0)"),
     "must be above 0"},
    {"unknown reduction", Node("reduce", R"("kind": "median", "axes": ["c"])"),
     "reduction 'median'"},
    {"reduction of rows", Node("reduce", R"("kind": "mean", "axes": ["y"])"), "axes"},
    {"norm of a part of a group", Node("group_norm", R"("groups": 2)"), "must divide the channels"},
    {"negative epsilon", Node("layer_norm", R"("epsilon": -1)"), "must be 0 to 1e6"},
    {"unknown pooling", Node("pool", R"("kind": "median")"), "pooling 'median'"},
    {"pooling to no size", Node("adaptive_pool", R"("kind": "max", "size": [0, 1])"), "size"},
    {"windows that overlap", Node("max_pool_indices", R"("kernel": [3, 3], "stride": [3, 2])"),
     "must not overlap"},
    {"unknown resizing", Node("resize", R"("mode": "lanczos", "size": [2, 2])"),
     "resizing 'lanczos'"},
    {"resizing to nothing", Node("resize", R"("mode": "linear")"),
     "needs one of scale, size and a second input"},
    {"resizing to two sizes", Node("resize", R"("mode": "linear", "size": [2, 2])", R"(x", "x)"),
     "needs one of scale, size and a second input"},
    {"scale of 0", Node("resize", R"("mode": "linear", "scale": [[0, 1], [1, 1]])"), "scale"},
    {"channel that is not there", Node("select", R"("channels": [2, 3])"), "must be below 3"},
    {"no channels", Node("select", R"("channels": [])"), "is empty"},
    {"expanded planes", Node("expand", "", R"(x", "x)"), "expands a vector"},
    {"constant without numbers", Node("constant", R"("size": [2, 2])"), "'weight' is missing"},
    {"unknown output", Node("softmax", "", "x", "other"), "'y' is used before"},
};

TEST(ParseGraph, RefusesByName) {
  for (const Refusal& refusal : kRefusals) {
    SCOPED_TRACE(refusal.what);
    try {
      Parse(refusal.nodes);
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(refusal.message), std::string::npos) << error.what();
    }
  }
}

// A pixel that stays a pixel can still be broadcast.
TEST(ParseGraph, KeepsVectorsWhereAPixelStaysOne) {
  const auto is_vector = [](const std::string& node) {
    const Graph graph = Parse(kVector + "," + node);
    return graph.tensors[graph.output].vector;
  };
  const std::string conv =
      R"("weight": "w", "in_channels": 3, "out_channels": 2, "kernel": [3, 3])";
  EXPECT_TRUE(is_vector(Node("conv2d", conv + R"(, "amounts": [1, 1, 1, 1])", "v")));
  EXPECT_FALSE(is_vector(Node("conv2d", conv + R"(, "amounts": [2, 1, 2, 1])", "v")));
  EXPECT_TRUE(is_vector(
      Node("max_pool", R"("kernel": [3, 3], "stride": [2, 2], "amounts": [1, 1, 1, 1])", "v")));
  EXPECT_FALSE(is_vector(Node("upsample_nearest", R"("stride": [2, 1])", "v")));
  EXPECT_FALSE(is_vector(Node("conv_transpose2d", conv, "v")));
  EXPECT_TRUE(is_vector(Node("crop", R"("amounts": [0, 0, 0, 0])", "v")));
}

TEST(ParseGraph, RefusesChannelsOutOfRange) {
  for (const char* channels : {"0", "-1", "1048577", "1.5"})
    EXPECT_THROW(Parse("", "x", std::string(R"({"name": "x", "channels": )") + channels + "}"),
                 Error);
}

TEST(ParseGraph, ReadsWhatItShould) {
  const Graph graph = Parse(
      Node("conv2d", R"("weight": "w", "in_channels": 3, "out_channels": 2, "kernel": [3, 5])", "x",
           "a") +
      "," + Node("activation", R"("kind": "leaky_relu", "alpha": 0.25)", "a"));
  ASSERT_EQ(graph.nodes.size(), 2u);
  EXPECT_EQ(graph.nodes[0].kernel.x, 5);
  EXPECT_EQ(graph.nodes[1].activation, ActivationKind::kLeakyRelu);
  EXPECT_EQ(graph.nodes[1].alpha, 0.25f);
  EXPECT_EQ(graph.tensors[graph.output].channels, 2);
}

// What operators share acts on what they share; a pooling with groups must stay a pooling.
TEST(ParseGraph, PassesOverFieldsThatAnOperatorDoesNotHave) {
  const std::string all =
      R"("weight": "w", "bias": "b", "in_channels": 3, "out_channels": 3, "kernel": [3, 3],)"
      R"("stride": [2, 2], "dilation": [2, 2], "groups": 3, "amounts": [1, 1, 1, 1],)"
      R"("border": "reflect", "border_value": 2, "output_padding": [1, 1])";
  const Graph linear = Parse(kVector + "," + Node("linear", all, "v"));
  EXPECT_EQ(linear.nodes[1].kernel.y, 1);
  EXPECT_EQ(linear.nodes[1].stride.y, 1);
  EXPECT_EQ(linear.nodes[1].groups, 1);
  EXPECT_EQ(linear.nodes[1].weight, "w");
  const Graph pool = Parse(Node("max_pool", all));
  EXPECT_EQ(pool.nodes[0].kernel.y, 3);
  EXPECT_EQ(pool.nodes[0].dilation.y, 1);
  EXPECT_EQ(pool.nodes[0].border, BorderMode::kZero);
  EXPECT_EQ(pool.nodes[0].weight, "");  // else looked for among the tensors
  EXPECT_EQ(pool.nodes[0].bias, "");
  const Graph conv = Parse(Node("conv2d", all));
  EXPECT_EQ(conv.nodes[0].groups, 3);
  EXPECT_EQ(conv.nodes[0].border, BorderMode::kReflect);
  EXPECT_EQ(conv.nodes[0].output_padding.y, 0);
}

}  // namespace
}  // namespace pyengine
