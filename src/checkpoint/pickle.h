// Python's pickle format as data: a machine that knows the opcodes by which a dict of tensors is
// written (protocols 2 to 4) and executes nothing. A call of a global becomes a node that names it;
// a global that the caller did not list is an error with its name. The content is hostile: what is
// read is bounded by the bytes' number, nothing recurses, and the caller's view of the result is a
// graph that it must not expand (a node may be reached by many ways, or hold itself).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace wde::checkpoint {

enum class PickleKind {
  kNone,
  kBool,        // integer
  kInt,         // integer
  kFloat,       // only that it is one
  kString,      // text, valid UTF-8
  kTuple,       // items
  kList,        // items
  kDict,        // items: key, value, key, value, …
  kGlobal,      // text: "module.name", one of those that the caller allowed
  kCall,        // text: the called global; items: the tuple of its arguments
  kPersistent,  // items: the tuple that is the id
};

struct PickleNode {
  PickleKind kind = PickleKind::kNone;
  int64_t integer = 0;
  std::string_view text;
  std::vector<const PickleNode*> items;
};

// One pickle's nodes. Movable; texts point into the pickle's bytes and into `globals`, which must
// outlive it. Errors: kDataLoss (broken), kUnsupported (a global, opcode or value that is not
// among what this machine knows, by name; more than 64 MiB or two million values).
class Pickle {
 public:
  static constexpr std::string_view kOrderedDict = "collections.OrderedDict";  // always allowed

  static Result<Pickle> read(std::span<const std::byte> bytes,
                             std::span<const std::string_view> globals);

  const PickleNode& root() const { return *root_; }

 private:
  Pickle() = default;
  std::deque<PickleNode> nodes_;
  const PickleNode* root_ = nullptr;
};

}  // namespace wde::checkpoint
