// What `wde bench` embeds when it is given no texts.
#pragma once

#include <string>
#include <vector>

namespace wde::cli {

// The same texts on every machine: plain English words, from a search query's length to a page's,
// most of them a sentence or two long as the passages of a search index are.
std::vector<std::string> bench_texts();

}  // namespace wde::cli
