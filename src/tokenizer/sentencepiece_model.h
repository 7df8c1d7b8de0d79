// What a sentencepiece model file holds, as far as a tokenizer is made of it. The file is a
// protobuf message (google/sentencepiece, src/sentencepiece_model.proto) and may be hostile.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace wde::tokenizer {

struct SentencepieceModel {
  // As the file numbers them.
  enum class Algorithm { kUnigram = 1, kBpe = 2, kWord = 3, kChar = 4 };
  enum class Kind {
    kNormal = 1,
    kUnknown = 2,
    kControl = 3,
    kUserDefined = 4,
    kUnused = 5,
    kByte = 6
  };
  struct Piece {
    std::string text;  // valid UTF-8, of kMaxTokenBytes at most
    float score = 0;   // finite
    Kind kind = Kind::kNormal;
  };

  std::vector<Piece> pieces;  // by id
  Algorithm algorithm = Algorithm::kUnigram;
  int32_t unknown_id = 0;
  std::string unknown_piece = "<unk>";  // valid UTF-8
  bool byte_fallback = false;
  bool space_is_suffix = false;
  std::string charsmap;  // any bytes; empty: none

  // Errors: kDataLoss.
  static Result<SentencepieceModel> parse(std::string_view bytes);
};

}  // namespace wde::tokenizer
