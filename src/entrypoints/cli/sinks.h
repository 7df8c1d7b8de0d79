// The forms in which commands write their answers. Each sink is used by one thread.
#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "entrypoints/cli/output.h"
#include "entrypoints/cli/quantize.h"
#include "entrypoints/cli/stream.h"

namespace wde::cli {

enum class Format { kJson, kNpy, kF32 };

struct EmbedFormat {
  Format format = Format::kJson;
  OutputDType dtype = OutputDType::kFloat;
};

// Errors: kInvalidArgument (f32 holds floats only).
Status check_embed_format(EmbedFormat format);

// A JSON line for each answer, a binary array of one row for each (npy: format version 1.0; f32:
// little-endian, no header). int8 and uint8 need every embedding before the first line can go out;
// so does npy on an output that can't be rewritten, since its header comes first and holds the
// number of rows. `columns` is what a row will have, for an empty input. Errors: kIoError.
Result<std::unique_ptr<Sink>> make_embed_sink(Output& output, EmbedFormat format, int64_t columns);

// A line for each answer: `append` adds the answer's JSON, without the line's end.
using AppendAnswer = void (*)(std::string& line, const Response& response);
std::unique_ptr<Sink> make_line_sink(Output& output, AppendAnswer append);

// "[[f, …], …]", a row for each token.
void append_token_rows(std::string& line, const Response& response);

// {"index":i,"score":s} for each answer, i counting from 0. Sorted, best first and equal ones in
// their order, nothing goes out before the last answer.
enum class Ranking { kSorted, kAsTheyCome };
std::unique_ptr<Sink> make_rank_sink(Output& output, Ranking ranking);

// The 128 bytes before the data of an .npy file (numpy.lib.format, version 1.0): `descr` is "<f4",
// "|i1" or "|u1". Room is left so that any number of rows gives the same length.
std::string npy_header(std::string_view descr, int64_t rows, int64_t columns);

}  // namespace wde::cli
