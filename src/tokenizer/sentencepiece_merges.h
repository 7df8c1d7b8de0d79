// Merges of a BPE vocabulary that says scores instead. Used while a tokenizer is loaded.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "tokenizer/sentencepiece_model.h"

namespace wde::tokenizer {

// By the pieces' texts, which they point into.
using PieceIds = std::unordered_map<std::string_view, int64_t>;

// Every way to cut a piece into two others, best piece first (transformers before 5 orders the ways
// of one piece like this, and so do the tokenizer.json of the hub). Pieces have kMaxTokenBytes at
// most. Errors: kDataLoss for more ways than any vocabulary for texts has (all lengths of one
// letter, say).
Result<json::array> merges_of_pieces(const std::vector<SentencepieceModel::Piece>& pieces,
                                     const PieceIds& ids);

}  // namespace wde::tokenizer
