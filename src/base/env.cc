#include "base/env.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/status.h"

namespace wde::env {
namespace {

constexpr auto kVariables = std::to_array<Variable>({
    {"WDE_LOG", "log level: trace, debug, info, warning, error or off"},
    {"WDE_LOG_FORMAT", "log format: text or json"},
    {"WDE_ISA", "instruction set to use where --isa names none: avx512, avx2, neon, portable, …"},
    {"NO_COLOR", "no colours on a terminal, whatever the value (no-color.org)"},

    {"HF_HOME", "Hugging Face's folder; default $XDG_CACHE_HOME/huggingface"},
    {"HF_HUB_CACHE", "the cache of models; default $HF_HOME/hub"},
    {"HUGGINGFACE_HUB_CACHE", "the older name of HF_HUB_CACHE"},
    {"HF_TOKEN", "access token for private and gated models"},
    {"HUGGING_FACE_HUB_TOKEN", "the older name of HF_TOKEN"},
    {"HF_TOKEN_PATH", "file that holds the access token; default $HF_HOME/token"},
    {"HF_ENDPOINT", "the hub, or a mirror of it; default https://huggingface.co"},
    {"HF_HUB_OFFLINE", "1: use what the cache holds and never the network"},
    {"TRANSFORMERS_OFFLINE", "the older name of HF_HUB_OFFLINE"},
    {"HF_HUB_DOWNLOAD_TIMEOUT",
     "seconds without a byte after which a download is retried; default 10"},
    {"XDG_CACHE_HOME", "the user's caches; default $HOME/.cache"},
    {"HOME", "the user's folder"},

    {"MODEL_ID", "wde serve --model-id"},
    {"REVISION", "wde serve --revision"},
    {"TOKENIZATION_WORKERS", "wde serve --tokenization-workers"},
    {"DTYPE", "wde serve --dtype"},
    {"SERVED_MODEL_NAME", "wde serve --served-model-name"},
    {"POOLING", "wde serve --pooling"},
    {"MAX_CONCURRENT_REQUESTS", "wde serve --max-concurrent-requests"},
    {"MAX_BATCH_TOKENS", "wde serve --max-batch-tokens"},
    {"MAX_BATCH_REQUESTS", "wde serve --max-batch-requests"},
    {"MAX_CLIENT_BATCH_SIZE", "wde serve --max-client-batch-size"},
    {"AUTO_TRUNCATE", "wde serve --auto-truncate"},
    {"DEFAULT_PROMPT_NAME", "wde serve --default-prompt-name"},
    {"DEFAULT_PROMPT", "wde serve --default-prompt"},
    {"DENSE_PATH", "wde serve --dense-path"},
    {"HOSTNAME", "wde serve --hostname"},
    {"PORT", "wde serve --port"},
    {"PAYLOAD_LIMIT", "wde serve --payload-limit"},
    {"API_KEY", "wde serve --api-key"},
    {"JSON_OUTPUT", "wde serve --json-output"},
    {"PROMETHEUS_PORT", "wde serve --prometheus-port"},
    {"CORS_ALLOW_ORIGIN", "wde serve --cors-allow-origin"},
});

bool is_known(std::string_view name) {
  return std::any_of(kVariables.begin(), kVariables.end(),
                     [&](const Variable& variable) { return variable.name == name; });
}

bool equal_ignoring_case(std::string_view left, std::string_view lower_case) {
  return std::equal(
      left.begin(), left.end(), lower_case.begin(), lower_case.end(),
      [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + ('a' - 'A') : a) == b; });
}

}  // namespace

std::span<const Variable> known_variables() { return kVariables; }

std::optional<std::string> get(std::string_view name) {
  WDE_CHECK(is_known(name));
  const char* value = std::getenv(std::string(name).c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::string(value);
}

bool get_flag(std::string_view name) {
  const std::optional<std::string> value = get(name);
  if (!value) return false;
  for (const std::string_view truth : {"1", "true", "yes", "on"}) {
    if (equal_ignoring_case(*value, truth)) return true;
  }
  return false;
}

}  // namespace wde::env
