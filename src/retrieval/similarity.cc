#include <array>

#include "base/status.h"
#include "wde/retrieval.h"

namespace wde {
namespace {

struct Named {
  std::string_view name;
  Similarity similarity;
};

constexpr auto kSimilarities = std::to_array<Named>({
    {"cosine", Similarity::kCosine},
    {"dot", Similarity::kDot},
    {"euclidean", Similarity::kEuclidean},
    {"manhattan", Similarity::kManhattan},
});

}  // namespace

std::string_view similarity_name(Similarity similarity) {
  for (const Named& known : kSimilarities) {
    if (known.similarity == similarity) return known.name;
  }
  return "";
}

Result<Similarity> parse_similarity(std::string_view name) {
  std::string names;
  for (const Named& known : kSimilarities) {
    if (known.name == name) return known.similarity;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", known.name);
  }
  return invalid_argument_error("unknown similarity \"{}\"; there are: {}", name, names);
}

}  // namespace wde
