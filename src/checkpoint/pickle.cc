#include "checkpoint/pickle.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/utf8.h"

namespace wde::checkpoint {
namespace {

constexpr size_t kMaxBytes = size_t{64} << 20;
constexpr size_t kMaxNodes = 2'000'000;
constexpr size_t kMaxShownBytes = 200;  // of a name in a message

// Python's pickletools names them so.
enum Opcode : uint8_t {
  kProto = 0x80,
  kFrame = 0x95,
  kStop = '.',
  kMark = '(',
  kNone = 'N',
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kLong1 = 0x8a,
  kBinFloat = 'G',
  kBinUnicode = 'X',
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kEmptyTuple = ')',
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kTuple = 't',
  kEmptyList = ']',
  kAppend = 'a',
  kAppends = 'e',
  kEmptyDict = '}',
  kSetItem = 's',
  kSetItems = 'u',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kMemoize = 0x94,
  kBinGet = 'h',
  kLongBinGet = 'j',
  kGlobal = 'c',
  kStackGlobal = 0x93,
  kBinPersId = 'Q',
  kReduce = 'R',
  kBuild = 'b',
};

class Machine {
 public:
  Machine(std::span<const std::byte> bytes, std::span<const std::string_view> globals,
          std::deque<PickleNode>* nodes)
      : text_(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
        globals_(globals),
        nodes_(*nodes) {}

  // Up to STOP; what then lies on the stack is the pickle's value.
  Result<const PickleNode*> run() {
    for (;;) {
      WDE_ASSIGN_OR_RETURN(const uint64_t opcode, number(1));
      if (opcode == kStop) break;
      WDE_RETURN_IF_ERROR(step(static_cast<uint8_t>(opcode)));
      if (nodes_.size() > kMaxNodes || memo_.size() > kMaxNodes) {
        return unsupported_error("more than {} values", kMaxNodes);
      }
    }
    WDE_ASSIGN_OR_RETURN(PickleNode * value, pop());
    return value;
  }

 private:
  using Nodes = std::vector<const PickleNode*>;

  // --- Bytes ---
  Result<std::string_view> take(uint64_t count) {
    if (count > text_.size() - position_) {
      return data_loss_error("{} bytes wanted at {}, but it ends at {} (truncated?)", count,
                             position_, text_.size());
    }
    const std::string_view taken = text_.substr(position_, count);
    position_ += count;
    return taken;
  }

  Result<uint64_t> number(size_t bytes) {  // little-endian
    WDE_ASSIGN_OR_RETURN(const std::string_view digits, take(bytes));
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; ++i) {
      value |= uint64_t{static_cast<unsigned char>(digits[i])} << (8 * i);
    }
    return value;
  }

  Result<std::string_view> line() {
    const size_t end = text_.find('\n', position_);
    if (end == std::string_view::npos) return data_loss_error("a line at {} has no end", position_);
    const size_t begin = std::exchange(position_, end + 1);
    return text_.substr(begin, end - begin);
  }

  // --- Stack ---
  PickleNode* push(PickleNode node) {
    nodes_.push_back(std::move(node));
    stack_.push_back(&nodes_.back());
    return stack_.back();
  }

  Result<PickleNode*> pop() {
    const size_t floor = marks_.empty() ? 0 : marks_.back();
    if (stack_.size() <= floor) return data_loss_error("nothing on the stack at {}", position_);
    PickleNode* node = stack_.back();
    stack_.pop_back();
    return node;
  }

  Result<PickleNode*> top() {
    WDE_ASSIGN_OR_RETURN(PickleNode * node, pop());
    stack_.push_back(node);
    return node;
  }

  // The topmost `count`, oldest first.
  Result<Nodes> pop_several(size_t count) {
    Nodes items(count);
    for (size_t i = count; i-- > 0;) {
      WDE_ASSIGN_OR_RETURN(items[i], pop());
    }
    return items;
  }

  Result<Nodes> pop_to_mark() {
    if (marks_.empty()) return data_loss_error("no mark on the stack at {}", position_);
    const size_t begin = marks_.back();
    marks_.pop_back();
    Nodes items(stack_.begin() + static_cast<std::ptrdiff_t>(begin), stack_.end());
    stack_.resize(begin);
    return items;
  }

  // --- Opcodes ---
  Status step(uint8_t opcode) {
    switch (opcode) {
      case kProto:
        return protocol();
      case kFrame:
        return number(8).status();
      case kMark:
        marks_.push_back(stack_.size());
        return {};
      case kNone:
        push({});
        return {};
      case kNewTrue:
      case kNewFalse:
        push({.kind = PickleKind::kBool, .integer = opcode == kNewTrue});
        return {};
      case kBinFloat:
        push({.kind = PickleKind::kFloat});
        return take(8).status();
      case kBinInt:
      case kBinInt1:
      case kBinInt2:
      case kLong1:
        return integer(opcode);
      case kBinUnicode:
        return string(4);
      case kShortBinUnicode:
        return string(1);
      case kBinUnicode8:
        return string(8);
      default:
        return step_with_items(opcode);
    }
  }

  Status step_with_items(uint8_t opcode) {
    switch (opcode) {
      case kEmptyTuple:
        push({.kind = PickleKind::kTuple});
        return {};
      case kTuple1:
      case kTuple2:
      case kTuple3:
        return tuple(pop_several(static_cast<size_t>(opcode - kTuple1) + 1));
      case kTuple:
        return tuple(pop_to_mark());
      case kEmptyList:
        push({.kind = PickleKind::kList});
        return {};
      case kEmptyDict:
        push({.kind = PickleKind::kDict});
        return {};
      case kAppend:
        return extend(PickleKind::kList, pop_several(1));
      case kAppends:
        return extend(PickleKind::kList, pop_to_mark());
      case kSetItem:
        return extend(PickleKind::kDict, pop_several(2));
      case kSetItems:
        return extend(PickleKind::kDict, pop_to_mark());
      default:
        return step_with_memo(opcode);
    }
  }

  Status step_with_memo(uint8_t opcode) {
    switch (opcode) {
      case kBinPut:
        return put(number(1));
      case kLongBinPut:
        return put(number(4));
      case kMemoize:
        return put(uint64_t{memo_.size()});
      case kBinGet:
        return get(number(1));
      case kLongBinGet:
        return get(number(4));
      case kGlobal:
        return named_global();
      case kStackGlobal:
        return stack_global();
      case kBinPersId:
        return persistent();
      case kReduce:
        return reduce();
      case kBuild:
        return build();
      default:
        return unsupported_error("opcode 0x{:02x} at {} is not one that a dict of tensors needs",
                                 opcode, position_ - 1);
    }
  }

  Status protocol() {
    WDE_ASSIGN_OR_RETURN(const uint64_t version, number(1));
    if (version >= 2 && version <= 4) return {};
    return unsupported_error("pickle protocol {}; 2 to 4 are supported", version);
  }

  Status integer(uint8_t opcode) {
    int64_t value = 0;
    if (opcode == kLong1) {
      WDE_ASSIGN_OR_RETURN(const uint64_t bytes, number(1));
      if (bytes > 8) return unsupported_error("an integer of {} bytes at {}", bytes, position_);
      WDE_ASSIGN_OR_RETURN(const uint64_t bits, number(bytes));
      const int unused_bits = 64 - 8 * static_cast<int>(bytes);
      // Two's complement, sign-extended.
      value = bytes == 0 ? 0 : static_cast<int64_t>(bits << unused_bits) >> unused_bits;
    } else {
      const size_t bytes = opcode == kBinInt ? 4 : opcode == kBinInt2 ? 2 : 1;
      WDE_ASSIGN_OR_RETURN(const uint64_t bits, number(bytes));
      value = bytes == 4 ? static_cast<int32_t>(bits) : static_cast<int64_t>(bits);
    }
    push({.kind = PickleKind::kInt, .integer = value});
    return {};
  }

  Status string(size_t length_bytes) {
    WDE_ASSIGN_OR_RETURN(const uint64_t length, number(length_bytes));
    WDE_ASSIGN_OR_RETURN(const std::string_view text, take(length));
    if (!is_valid_utf8(text)) {
      return data_loss_error("the string that ends at {} is not valid UTF-8", position_);
    }
    push({.kind = PickleKind::kString, .text = text});
    return {};
  }

  Status tuple(Result<Nodes> items) {
    if (!items.ok()) return items.status();
    push({.kind = PickleKind::kTuple, .items = std::move(items).value()});
    return {};
  }

  Status extend(PickleKind kind, Result<Nodes> items) {
    if (!items.ok()) return items.status();
    WDE_ASSIGN_OR_RETURN(PickleNode * container, top());
    if (container->kind != kind) {
      return data_loss_error("items for something that holds none, at {}", position_);
    }
    if (kind == PickleKind::kDict && items->size() % 2 != 0) {
      return data_loss_error("a key without a value at {}", position_);
    }
    container->items.insert(container->items.end(), items->begin(), items->end());
    return {};
  }

  Status put(Result<uint64_t> index) {
    if (!index.ok()) return index.status();
    WDE_ASSIGN_OR_RETURN(memo_[*index], top());
    return {};
  }

  Status get(Result<uint64_t> index) {
    if (!index.ok()) return index.status();
    const auto found = memo_.find(*index);
    if (found == memo_.end()) {
      return data_loss_error("nothing was kept as {}, asked for at {}", *index, position_);
    }
    stack_.push_back(found->second);
    return {};
  }

  Status named_global() {
    WDE_ASSIGN_OR_RETURN(const std::string_view module, line());
    WDE_ASSIGN_OR_RETURN(const std::string_view name, line());
    return push_global(module, name);
  }

  Status stack_global() {
    WDE_ASSIGN_OR_RETURN(const Nodes parts, pop_several(2));
    if (parts[0]->kind != PickleKind::kString || parts[1]->kind != PickleKind::kString) {
      return data_loss_error("a global without a name at {}", position_);
    }
    return push_global(parts[0]->text, parts[1]->text);
  }

  Status push_global(std::string_view module, std::string_view name) {
    const std::string full = std::string(module) + "." + std::string(name);
    std::string_view known;
    if (full == Pickle::kOrderedDict) known = Pickle::kOrderedDict;
    for (const std::string_view allowed : globals_) {
      if (full == allowed) known = allowed;
    }
    if (known.empty()) {
      return unsupported_error(
          "it asks for \"{}\", which no dict of tensors needs; nothing of it was executed",
          replace_invalid_utf8(full.substr(0, kMaxShownBytes)));
    }
    push({.kind = PickleKind::kGlobal, .text = known});
    return {};
  }

  Status persistent() {
    WDE_ASSIGN_OR_RETURN(const PickleNode* id, pop());
    if (id->kind != PickleKind::kTuple) {
      return data_loss_error("a persistent id that is no tuple at {}", position_);
    }
    push({.kind = PickleKind::kPersistent, .items = {id}});
    return {};
  }

  Status reduce() {
    WDE_ASSIGN_OR_RETURN(const Nodes call, pop_several(2));
    if (call[0]->kind != PickleKind::kGlobal || call[1]->kind != PickleKind::kTuple) {
      return data_loss_error("a call of something that can't be called at {}", position_);
    }
    if (call[0]->text != Pickle::kOrderedDict) {
      push({.kind = PickleKind::kCall, .text = call[0]->text, .items = {call[1]}});
      return {};
    }
    if (!call[1]->items.empty()) {
      return unsupported_error("{} with arguments at {}", Pickle::kOrderedDict, position_);
    }
    push({.kind = PickleKind::kDict});
    return {};
  }

  // Attributes of an OrderedDict (a state dict's "_metadata"): nothing here needs them.
  Status build() {
    WDE_RETURN_IF_ERROR(pop().status());
    WDE_ASSIGN_OR_RETURN(const PickleNode* object, top());
    if (object->kind == PickleKind::kDict) return {};
    return unsupported_error("attributes for something other than a dict at {}", position_);
  }

  std::string_view text_;
  size_t position_ = 0;
  std::span<const std::string_view> globals_;
  std::deque<PickleNode>& nodes_;
  std::vector<PickleNode*> stack_;
  std::vector<size_t> marks_;  // stack sizes
  std::unordered_map<uint64_t, PickleNode*> memo_;
};

}  // namespace

Result<Pickle> Pickle::read(std::span<const std::byte> bytes,
                            std::span<const std::string_view> globals) {
  if (bytes.size() > kMaxBytes) {
    return unsupported_error("a pickle of {} bytes; {} are supported", bytes.size(), kMaxBytes);
  }
  Pickle pickle;
  WDE_ASSIGN_OR_RETURN(pickle.root_, Machine(bytes, globals, &pickle.nodes_).run());
  return pickle;
}

}  // namespace wde::checkpoint
