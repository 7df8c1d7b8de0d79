// A model's folder read into typed values: Hugging Face's config.json and its relatives, and
// sentence-transformers' module files. Says what is there; decides nothing about what to load.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "checkpoint/late_interaction.h"
#include "checkpoint/processing_config.h"
#include "checkpoint/weight_source.h"

namespace wde::checkpoint {

// sentence-transformers' Pooling (1_Pooling/config.json), both spellings: pooling_mode_* booleans
// and (from 5.x on) "pooling_mode": "mean" or a list.
struct PoolingModule {
  static constexpr std::string_view kClass = "Pooling";
  // "mean", "cls", "max", "lasttoken", "weightedmean", "mean_sqrt_len_tokens"
  std::vector<std::string> modes;
  int64_t embedding_dimension = 0;
  bool include_prompt = true;
};

// sentence-transformers' Dense (2_Dense/): weights "linear.weight" [out, in] and "linear.bias"
// [out].
struct DenseModule {
  static constexpr std::string_view kClass = "Dense";
  int64_t in_features = 0;
  int64_t out_features = 0;
  bool bias = true;
  bool residual = false;   // the input is added: by "residual.weight" where the sizes differ
  std::string activation;  // as written: "torch.nn.modules.activation.Tanh"
  // On every token's vector or on the pooled one; nothing where its config says neither: on what
  // the model answers with.
  std::optional<bool> token_level;
  std::shared_ptr<const WeightSource> weights;
};

// sentence-transformers' LayerNorm of the pooled vector: weights "norm.weight" and "norm.bias"
// [dimension].
struct LayerNormModule {
  static constexpr std::string_view kClass = "LayerNorm";
  int64_t dimension = 0;
  std::shared_ptr<const WeightSource> weights;
};

struct NormalizeModule {
  static constexpr std::string_view kClass = "Normalize";
  bool token_level = false;
};

// sentence-transformers' SpladePooling: sparse vectors of a masked language model's logits.
struct SpladePoolingModule {
  static constexpr std::string_view kClass = "SpladePooling";
  bool second_logarithm = false;  // "activation_function": "log1p_relu"
};

// sentence-transformers' LogitScore: a language model's logit of one token at the last position, or
// its difference to another's.
struct LogitScoreModule {
  static constexpr std::string_view kClass = "LogitScore";
  int64_t true_token = 0;
  std::optional<int64_t> false_token;
};

// What it says is in ModelFolder::late_interaction.
struct MultiVectorMaskModule {
  static constexpr std::string_view kClass = "MultiVectorMask";
};

using Module = std::variant<PoolingModule, DenseModule, LayerNormModule, NormalizeModule,
                            SpladePoolingModule, MultiVectorMaskModule, LogitScoreModule>;

// What modules.json begins with. The static ones are tables from tokens to vectors or weights,
// without a config.json: `config` and `weights` then say the same in a transformer's terms
// (checkpoint/static_table.h).
enum class InputModule { kTransformer, kStaticEmbedding, kSparseStaticEmbedding };

struct ModelFolder {
  std::string path;
  // Where config.json, the tokenizer's files and the weights lie: `path`, or the sub-folder that
  // modules.json gives its Transformer.
  std::string transformer_path;
  // Where the tokenizer's files lie: `transformer_path`, or the base model's where an adapter's
  // folder has none.
  std::string tokenizer_path;
  // Of an adapter: the folders of the models that it stands on, the nearest first.
  std::vector<std::string> base_paths;
  // Of a GGUF file: its vocabulary, instead of a tokenizer's files (checkpoint/gguf_model.h), and
  // its chat template; empty where it has none.
  std::optional<json::object> vocabulary;
  std::string gguf_chat_template;
  std::string revision;                    // commit of a hub snapshot, else empty
  json::object config;                     // config.json
  std::vector<std::string> architectures;  // its "architectures"
  InputModule input = InputModule::kTransformer;
  // From modules.json, after the input module; empty without modules.json. Those of one route of a
  // Router: `route`, one of `routes`; both are empty where there is no Router.
  std::vector<Module> modules;
  std::vector<std::string> routes;
  std::string route;
  // sentence_bert_config.json
  std::optional<int64_t> max_seq_length;
  bool do_lower_case = false;
  ProcessingConfig processing;
  // config_sentence_transformers.json
  std::map<std::string, std::string> prompts;
  std::optional<std::string> default_prompt_name;
  std::string similarity;     // "similarity_fn_name", as written; empty: it names none
  std::string activation_fn;  // a cross-encoder's, as written; empty where there is none
  // tokenizer_config.json; absent when it says "very large" (transformers writes 1e30 for none)
  std::optional<int64_t> model_max_length;
  // Nothing where the files describe no multi-vector model.
  std::optional<LateInteraction> late_interaction;
  std::optional<int64_t> truncate_dim;  // of config_sentence_transformers.json
  // The transformer's weights; modules carry their own.
  std::shared_ptr<const WeightSource> weights;
};

struct ReadOptions {
  // False: the files that describe the model only; `weights` stay null.
  bool weights = true;
  // Which route of a Router is wanted, "query" or "document" as a rule; where there is no route of
  // this name, or it is empty, the Router's default is taken.
  std::string route;
  // Folders of adapters that are merged into the weights, in this order (checkpoint/lora.h).
  std::vector<std::string> lora;
  // From what an adapter calls its base model, a folder or a hub id with a revision that may be
  // empty, to the folder. Null: folders only. Errors are passed on.
  std::function<Result<std::string>(const std::string& model, const std::string& revision)>
      find_base;
};

// `path` may be a GGUF file, or a folder with no config.json and one GGUF file: what a folder's
// files say is then read from it (checkpoint/gguf_model.h), with its pooling as the only module.
//
// Beside a model's folder this reads an adapter's: adapter_config.json, without weights of its own.
// What it lacks of a model's files is its base model's ("base_model_name_or_path", which may be an
// adapter's folder too), whose weights it is merged into. Where there are weights beside
// adapter_config.json, the adapter is merged into those. Errors: kNotFound (no folder, no
// config.json, no weights), kDataLoss (broken or lying files), kUnsupported (a module type or a
// weights format that is not supported: that of torch before 1.6 comes with how to convert). Every
// message names the file.
Result<ModelFolder> read_model_folder(const std::string& path, const ReadOptions& options = {});

// The `transformer_path` of the folder `path`, from its modules.json alone: where the tokenizer's
// files lie; `route` as in ReadOptions. Errors: kNotFound (no folder), kDataLoss, kUnsupported as
// above.
Result<std::string> find_transformer_folder(const std::string& path, const std::string& route = "");

// The GGUF file that `path` is, or that is all the model in the folder `path`; empty for none.
// Errors: kDataLoss for a folder with several.
Result<std::string> find_gguf(const std::string& path);

// Whether the folder holds an adapter and no weights of its own.
bool is_adapter(const std::string& folder);

// Whether the folder has any of the files that open_weights looks for.
bool has_weights(const std::string& folder);

// model.safetensors, or model.safetensors.index.json with its shards; else pytorch_model.bin, or
// pytorch_model.bin.index.json with its shards (checkpoint/torch_file.h).
// Errors: kNotFound, kDataLoss, kUnsupported as above.
Result<std::shared_ptr<const WeightSource>> open_weights(const std::string& folder);

}  // namespace wde::checkpoint
