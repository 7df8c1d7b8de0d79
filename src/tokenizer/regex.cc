#include "tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace wde::tokenizer {
namespace {

constexpr size_t kMaxPatternBytes = 16384;
// What one search may cost before it is given up: some tens of milliseconds. No pattern that is in
// use comes near.
constexpr uint32_t kMatchLimit = 1'000'000;
constexpr uint32_t kHeapLimitKib = 64 * 1024;

template <auto kFree>
struct Free {
  template <class T>
  void operator()(T* pointer) const {
    kFree(pointer);
  }
};

std::string message_of(int error) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(error, buffer, sizeof(buffer));
  return reinterpret_cast<const char*>(buffer);
}

using MatchData = std::unique_ptr<pcre2_match_data, Free<pcre2_match_data_free>>;

}  // namespace

struct Regex::Program {
  std::unique_ptr<pcre2_code, Free<pcre2_code_free>> code;
  std::unique_ptr<pcre2_match_context, Free<pcre2_match_context_free>> limits;

  // The first match from `from` on; its end may be its begin. An error's number, or 1.
  int search(std::string_view text, size_t from, pcre2_match_data* data) const {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    int found =
        pcre2_match(code.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK, data, limits.get());
    // The machine's code has a stack of 32 KiB; the interpreter takes the heap.
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) {
      found = pcre2_match(code.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                          data, limits.get());
    }
    return found;
  }
};

Regex::Regex(std::unique_ptr<Program> program) : program_(std::move(program)) {}
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

Result<Regex> Regex::compile(std::string_view pattern) {
  if (pattern.size() > kMaxPatternBytes) {
    return data_loss_error("a regular expression of {} bytes; at most {} are supported",
                           pattern.size(), kMaxPatternBytes);
  }
  WDE_ASSIGN_OR_RETURN(const std::string translated, translate_regex(pattern));
  // In Ruby ^ and $ stand at every line.
  const uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
  const std::unique_ptr<pcre2_compile_context, Free<pcre2_compile_context_free>> context(
      pcre2_compile_context_create(nullptr));
  WDE_CHECK(context != nullptr);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  auto program = std::make_unique<Program>();
  int error = 0;
  PCRE2_SIZE place = 0;
  program->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()),
                                    translated.size(), options, &error, &place, context.get()));
  if (program->code == nullptr)
    return data_loss_error("the regular expression \"{}\": {}", pattern, message_of(error));
  // Where there is no machine code for this CPU the interpreter does the same.
  pcre2_jit_compile(program->code.get(), PCRE2_JIT_COMPLETE);
  program->limits.reset(pcre2_match_context_create(nullptr));
  WDE_CHECK(program->limits != nullptr);
  pcre2_set_match_limit(program->limits.get(), kMatchLimit);
  pcre2_set_heap_limit(program->limits.get(), kHeapLimitKib);
  return Regex(std::move(program));
}

bool Regex::find_all(std::string_view text, std::vector<Range>& matches) const {
  const MatchData data(pcre2_match_data_create(1, nullptr));
  WDE_CHECK(data != nullptr);
  size_t last_end = text.size() + 1;  // of a match
  for (size_t from = 0; from <= text.size();) {
    const int found = program_->search(text, from, data.get());
    if (found == PCRE2_ERROR_NOMATCH) return true;
    if (found < 0) return false;
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(data.get());
    const size_t begin = bounds[0], end = bounds[1];
    if (end < begin || begin < from) return false;  // \K within a look-around
    if (begin == end && end == last_end) {
      const char* at = text.data() + from;
      if (from == text.size()) return true;
      unicode::next(at);
      from = static_cast<size_t>(at - text.data());
      continue;
    }
    matches.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(end)});
    last_end = end;
    from = end;
  }
  return true;
}

}  // namespace wde::tokenizer
