#include "workflow/module_steps.h"

#include <optional>
#include <utility>

#include "base/status.h"

namespace wde::workflow {
namespace {

using checkpoint::Module;

Result<heads::Step> dense_step(const checkpoint::DenseModule& dense) {
  WDE_ASSIGN_OR_RETURN(const ops::Activation activation, ops::parse_activation(dense.activation));
  return heads::Step(heads::DenseStep{.in_features = dense.in_features,
                                      .out_features = dense.out_features,
                                      .bias = dense.bias,
                                      .residual = dense.residual,
                                      .activation = activation,
                                      .weights = dense.weights.get()});
}

// Whether the module itself says that it works on tokens.
std::optional<bool> said_level(const Module& module) {
  if (const auto* dense = std::get_if<checkpoint::DenseModule>(&module)) return dense->token_level;
  const auto* normalize = std::get_if<checkpoint::NormalizeModule>(&module);
  return normalize != nullptr ? std::optional(normalize->token_level) : std::nullopt;
}

Status refuse(const Module& module, Features features) {
  const auto level = said_level(module);
  const std::string_view of = !level   ? ""
                              : *level ? " of token_embeddings"
                                       : " of sentence_embedding";
  return unsupported_error(
      "modules.json: a {}{} {} is not supported",
      std::visit([](const auto& kind) { return kind.kClass; }, module), of,
      features == Features::kPooled ? "after the Pooling" : "in a multi-vector model");
}

bool changes_nothing(const Module& module, Features features) {
  return features == Features::kTokens &&
         (std::holds_alternative<checkpoint::MultiVectorMaskModule>(module) ||
          std::holds_alternative<checkpoint::NormalizeModule>(module));
}

}  // namespace

Result<std::vector<heads::Step>> read_steps(std::span<const Module> modules, Features features) {
  const bool on_tokens = features == Features::kTokens;
  std::vector<heads::Step> steps;
  for (const Module& module : modules) {
    const bool fits = said_level(module).value_or(on_tokens) == on_tokens;
    const auto* dense = std::get_if<checkpoint::DenseModule>(&module);
    const auto* norm = std::get_if<checkpoint::LayerNormModule>(&module);
    if (dense != nullptr && fits) {
      WDE_ASSIGN_OR_RETURN(heads::Step step, dense_step(*dense));
      steps.push_back(std::move(step));
    } else if (norm != nullptr && !on_tokens) {  // it knows pooled vectors only
      steps.emplace_back(
          heads::LayerNormStep{.dimension = norm->dimension, .weights = norm->weights.get()});
    } else if (std::holds_alternative<checkpoint::NormalizeModule>(module) && fits) {
      steps.emplace_back(heads::NormalizeStep{});
    } else if (!changes_nothing(module, features)) {
      return refuse(module, features);
    }
  }
  return steps;
}

}  // namespace wde::workflow
