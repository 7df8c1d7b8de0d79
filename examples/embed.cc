// The C++ API: wde_example_embed MODEL TEXT…  prints each text's vector's first numbers and how
// alike the texts are.
#include <wde/engine.h>

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  if (argc < 3) return std::fprintf(stderr, "usage: %s MODEL TEXT...\n", argv[0]), 2;
  wde::EngineOptions options;
  options.model = argv[1];
  auto engine = wde::Engine::load(options);
  if (!engine.ok()) return std::fprintf(stderr, "%s\n", engine.status().message().c_str()), 1;

  std::vector<wde::Request> requests;
  for (int i = 2; i < argc; ++i)
    requests.push_back({.input = std::string(argv[i]), .normalize = true});
  const auto answers = (*engine)->run_all(requests);

  for (size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i].ok())
      return std::fprintf(stderr, "%s\n", answers[i].status().message().c_str()), 1;
    const std::vector<float>& vector = answers[i]->values;
    const std::vector<float>& first = answers[0]->values;
    std::printf("%-40s %d tokens  [", argv[i + 2], answers[i]->tokens);
    for (size_t c = 0; c < std::min<size_t>(3, vector.size()); ++c)
      std::printf("%.4f, ", vector[c]);
    const float cosine = std::inner_product(vector.begin(), vector.end(), first.begin(), 0.0f);
    std::printf("...]  cosine with the first: %.4f\n", cosine);
  }
}
