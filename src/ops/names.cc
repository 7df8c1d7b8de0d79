// The spellings of activations and poolings in configuration files.
#include <fmt/format.h>

#include <string>

#include "base/status.h"
#include "ops/ops.h"

namespace wde::ops {
namespace {

struct ActivationName {
  std::string_view name;
  Activation value;
};

// transformers' ACT2FN and torch.nn's class names; the first of each activation is the one we
// print.
constexpr ActivationName kActivations[] = {
    {"none", Activation::kNone},
    {"linear", Activation::kNone},
    {"identity", Activation::kNone},
    {"Identity", Activation::kNone},
    {"gelu", Activation::kGeluErf},
    {"gelu_python", Activation::kGeluErf},
    {"GELU", Activation::kGeluErf},
    {"GELUActivation", Activation::kGeluErf},
    {"gelu_tanh", Activation::kGeluTanh},
    {"gelu_new", Activation::kGeluTanh},
    {"gelu_fast", Activation::kGeluTanh},
    {"gelu_pytorch_tanh", Activation::kGeluTanh},
    {"quick_gelu", Activation::kQuickGelu},
    {"QuickGELUActivation", Activation::kQuickGelu},
    {"relu", Activation::kRelu},
    {"ReLU", Activation::kRelu},
    {"silu", Activation::kSilu},
    {"swish", Activation::kSilu},
    {"SiLU", Activation::kSilu},
    {"tanh", Activation::kTanh},
    {"Tanh", Activation::kTanh},
    {"sigmoid", Activation::kSigmoid},
    {"Sigmoid", Activation::kSigmoid},
};

struct PoolingName {
  std::string_view name;
  Pooling value;
};

// The command line's spellings, sentence-transformers' and text-embeddings-inference's.
constexpr PoolingName kPoolings[] = {
    {"mean", Pooling::kMean},
    {"cls", Pooling::kCls},
    {"max", Pooling::kMax},
    {"last", Pooling::kLast},
    {"lasttoken", Pooling::kLast},
    {"last-token", Pooling::kLast},
    {"mean_sqrt_len", Pooling::kMeanSqrtLen},
    {"mean_sqrt_len_tokens", Pooling::kMeanSqrtLen},
    {"weightedmean", Pooling::kWeightedMean},
};

template <class Table>
std::string known_names(const Table& table) {
  std::string names;
  for (const auto& row : table)
    fmt::format_to(std::back_inserter(names), "{}{}", names.empty() ? "" : ", ", row.name);
  return names;
}

// The first of each value's spellings.
template <class Table>
std::vector<std::string_view> first_names(const Table& table) {
  std::vector<std::string_view> names;
  for (size_t i = 0; i < std::size(table); ++i) {
    if (i == 0 || table[i].value != table[i - 1].value) names.push_back(table[i].name);
  }
  return names;
}

}  // namespace

std::vector<std::string_view> activation_names() { return first_names(kActivations); }
std::vector<std::string_view> pooling_names() { return first_names(kPoolings); }

Result<Activation> parse_activation(std::string_view name) {
  // A class of torch or transformers is known by the last part of its dotted path.
  const size_t dot = name.rfind('.');
  const std::string_view last = dot == std::string_view::npos ? name : name.substr(dot + 1);
  for (const ActivationName& row : kActivations) {
    if (row.name == last) return row.value;
  }
  return unsupported_error("activation \"{}\" (known: {})", name, known_names(kActivations));
}

std::string_view activation_name(Activation activation) {
  for (const ActivationName& row : kActivations) {
    if (row.value == activation) return row.name;
  }
  return "?";
}

Result<Pooling> parse_pooling(std::string_view name) {
  for (const PoolingName& row : kPoolings) {
    if (row.name == name) return row.value;
  }
  return invalid_argument_error("unknown pooling \"{}\" (known: {})", name, known_names(kPoolings));
}

std::string_view pooling_name(Pooling pooling) {
  // Not to be chosen: which token, the model says.
  if (pooling == Pooling::kMarked) return "marked";
  if (pooling == Pooling::kLastUnmarked) return "last_unmarked";
  for (const PoolingName& row : kPoolings) {
    if (row.value == pooling) return row.name;
  }
  return "?";
}

}  // namespace wde::ops
