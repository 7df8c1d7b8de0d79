#include "tokenizer/sentencepiece_model.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <bit>
#include <climits>
#include <cmath>

#include "base/utf8.h"
#include "tokenizer/vocabulary.h"

namespace wde::tokenizer {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr int kVarint = WireFormatLite::WIRETYPE_VARINT;
constexpr int kFixed32 = WireFormatLite::WIRETYPE_FIXED32;
constexpr int kBytes = WireFormatLite::WIRETYPE_LENGTH_DELIMITED;

constexpr uint32_t tag(int field, int wire_type) {
  return static_cast<uint32_t>(field) << 3 | static_cast<uint32_t>(wire_type);
}

// Reads the fields up to the stream's limit: read(tag) says whether it knew the field and could
// read it, is_known whether it knew it; all others are passed over.
enum class Field { kRead, kBroken, kUnknown };
template <class Read>
bool read_fields(CodedInputStream& in, const Read& read) {
  while (const uint32_t tag = in.ReadTag()) {
    const Field field = read(tag);
    if (field == Field::kBroken) return false;
    if (field == Field::kUnknown && !WireFormatLite::SkipField(&in, tag)) return false;
  }
  return in.ConsumedEntireMessage();
}

Field read_string(CodedInputStream& in, std::string& to) {
  uint32_t size = 0;
  const bool fine =
      in.ReadVarint32(&size) && size <= INT_MAX && in.ReadString(&to, static_cast<int>(size));
  return fine ? Field::kRead : Field::kBroken;
}

Field read_float(CodedInputStream& in, float& to) {
  uint32_t bits = 0;
  if (!in.ReadLittleEndian32(&bits)) return Field::kBroken;
  to = std::bit_cast<float>(bits);
  return Field::kRead;
}

// Integers, booleans and enumerations.
template <class Number>
Field read_number(CodedInputStream& in, Number& to) {
  uint64_t bits = 0;
  if (!in.ReadVarint64(&bits)) return Field::kBroken;
  to = static_cast<Number>(static_cast<int32_t>(bits));
  return Field::kRead;
}

// A message within a message.
template <class Read>
Field read_message(CodedInputStream& in, const Read& read) {
  uint32_t size = 0;
  if (!in.ReadVarint32(&size) || size > INT_MAX || static_cast<int>(size) > in.BytesUntilLimit())
    return Field::kBroken;
  const CodedInputStream::Limit limit = in.PushLimit(static_cast<int>(size));
  const bool fine = read_fields(in, read);
  in.PopLimit(limit);
  return fine ? Field::kRead : Field::kBroken;
}

Field read_piece(CodedInputStream& in, SentencepieceModel::Piece& piece) {
  return read_message(in, [&](uint32_t found) {
    switch (found) {
      case tag(1, kBytes):
        return read_string(in, piece.text);
      case tag(2, kFixed32):
        return read_float(in, piece.score);
      case tag(3, kVarint):
        return read_number(in, piece.kind);
      default:
        return Field::kUnknown;
    }
  });
}

Field read_trainer_spec(CodedInputStream& in, SentencepieceModel& model) {
  return read_message(in, [&](uint32_t found) {
    switch (found) {
      case tag(3, kVarint):
        return read_number(in, model.algorithm);
      case tag(24, kVarint):
        return read_number(in, model.space_is_suffix);
      case tag(35, kVarint):
        return read_number(in, model.byte_fallback);
      case tag(40, kVarint):
        return read_number(in, model.unknown_id);
      case tag(45, kBytes):
        return read_string(in, model.unknown_piece);
      default:
        return Field::kUnknown;
    }
  });
}

Field read_normalizer_spec(CodedInputStream& in, SentencepieceModel& model) {
  return read_message(in, [&](uint32_t found) {
    return found == tag(2, kBytes) ? read_string(in, model.charsmap) : Field::kUnknown;
  });
}

Status check(const SentencepieceModel& model) {
  if (model.pieces.empty() || model.pieces.size() > static_cast<size_t>(kMaxIds))
    return data_loss_error("a sentencepiece model of {} pieces", model.pieces.size());
  size_t total_bytes = 0;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const SentencepieceModel::Piece& piece = model.pieces[id];
    total_bytes += piece.text.size();
    // The vocabulary's own limits, before anything is made of pieces that take long.
    if (piece.text.size() > kMaxTokenBytes || total_bytes > kMaxVocabularyBytes) {
      return data_loss_error(
          "piece {} has {} bytes; at most {} are supported, and {} of all pieces", id,
          piece.text.size(), kMaxTokenBytes, kMaxVocabularyBytes);
    }
    if (piece.text.empty() || !is_valid_utf8(piece.text))
      return data_loss_error("piece {} is no text", id);
    if (!std::isfinite(piece.score))
      return data_loss_error("piece {} has the score {}", id, piece.score);
  }
  if (model.unknown_id < 0 || static_cast<size_t>(model.unknown_id) >= model.pieces.size())
    return data_loss_error("the unknown piece is number {} of {}", model.unknown_id,
                           model.pieces.size());
  if (!is_valid_utf8(model.unknown_piece)) return data_loss_error("the unknown piece is no text");
  return {};
}

}  // namespace

Result<SentencepieceModel> SentencepieceModel::parse(std::string_view bytes) {
  if (bytes.size() > INT_MAX)
    return data_loss_error("a sentencepiece model of {} bytes", bytes.size());
  CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()),
                      static_cast<int>(bytes.size()));
  in.PushLimit(static_cast<int>(bytes.size()));
  SentencepieceModel model;
  const bool fine = read_fields(in, [&](uint32_t found) {
    switch (found) {
      case tag(1, kBytes):
        if (model.pieces.size() == static_cast<size_t>(kMaxIds)) return Field::kBroken;
        return read_piece(in, model.pieces.emplace_back());
      case tag(2, kBytes):
        return read_trainer_spec(in, model);
      case tag(3, kBytes):
        return read_normalizer_spec(in, model);
      default:
        return Field::kUnknown;
    }
  });
  if (!fine) return data_loss_error("no sentencepiece model, or one that is cut off");
  WDE_RETURN_IF_ERROR(check(model));
  return model;
}

}  // namespace wde::tokenizer
