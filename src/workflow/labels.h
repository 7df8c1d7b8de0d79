// What a config says of its labels and of the scores made of their logits.
#pragma once

#include <string>
#include <vector>

#include "checkpoint/model_folder.h"
#include "pipeline/limits.h"

namespace wde::workflow {

// "id2label" in the order of the ids; without it "LABEL_0", …, as many as "num_labels" or, without
// that too, two, as in transformers. Errors: kDataLoss naming the field.
Result<std::vector<std::string>> read_labels(const json::object& config);

// As transformers' TextClassificationPipeline: by "problem_type" (raw values for regression, a
// sigmoid for each label of several that may hold at once), else a sigmoid for one label and
// softmax for more. Errors: kUnsupported for another "problem_type".
Result<pipeline::ScoreFunction> read_classify_scores(const json::object& config, size_t labels);

// As sentence-transformers' CrossEncoder with one label: the activation that config.json or
// config_sentence_transformers.json names, else a sigmoid. Errors: kUnsupported for an activation
// that is neither a sigmoid nor the identity.
Result<pipeline::ScoreFunction> read_rerank_scores(const checkpoint::ModelFolder& folder);

}  // namespace wde::workflow
