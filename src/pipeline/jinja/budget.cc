#include "pipeline/jinja/budget.h"

#include <algorithm>

namespace wde::pipeline::jinja {
namespace {

constexpr int64_t kMaxSteps = int64_t{4} << 20;
constexpr int64_t kMaxBytes = int64_t{16} << 20;
constexpr int64_t kMaxElements = int64_t{1} << 20;
constexpr int64_t kCopies = 128;  // of all variables, which the limits grow by
constexpr int64_t kMaxCopiedBytes = int64_t{1} << 30;
constexpr int64_t kMaxCopiedElements = int64_t{8} << 20;
constexpr int kMaxDepth = 64;  // of lists and objects in each other

struct Size {
  int64_t bytes = 0, elements = 0;
  bool too_deep = false;  // the rest is not counted then
};

void add_size(const json::value& value, int depth, Size* size) {
  if (depth > kMaxDepth) {
    size->too_deep = true;
  } else if (const String* text = value.if_string()) {
    size->bytes += static_cast<int64_t>(text->size());
  } else if (const json::array* list = value.if_array()) {
    size->elements += static_cast<int64_t>(list->size());
    for (const json::value& element : *list) add_size(element, depth + 1, size);
  } else if (const json::object* object = value.if_object()) {
    size->elements += static_cast<int64_t>(object->size());
    for (const auto& member : *object) {
      size->bytes += static_cast<int64_t>(member.key().size());
      add_size(member.value(), depth + 1, size);
    }
  }
}

Status take(int64_t count, int64_t* left, std::string_view what) {
  if (count > *left) return data_loss_error("the template makes too {}", what);
  *left -= count;
  return {};
}

}  // namespace

Budget::Budget(const json::object& variables) : steps_(kMaxSteps) {
  Size size;
  for (const auto& member : variables) add_size(member.value(), 0, &size);
  bytes_ = kMaxBytes + std::min(size.bytes * kCopies, kMaxCopiedBytes);
  elements_ = kMaxElements + std::min(size.elements * kCopies, kMaxCopiedElements);
}

Status Budget::take_steps(int64_t count) { return take(count, &steps_, "many steps"); }
Status Budget::take_bytes(size_t count) {
  return take(static_cast<int64_t>(count), &bytes_, "much text");
}
Status Budget::take_elements(size_t count) {
  return take(static_cast<int64_t>(count), &elements_, "many elements of lists and objects");
}

Status Budget::take_value(const Value& value, size_t times) {
  if (!value) return {};
  Size size;
  add_size(*value, 0, &size);
  if (size.too_deep) {
    return data_loss_error("the template nests lists and objects more than {} deep", kMaxDepth);
  }
  // Neither a size nor a count of elements comes near 2^31 within the limits.
  const auto count = static_cast<int64_t>(times);
  WDE_RETURN_IF_ERROR(take(size.bytes * count, &bytes_, "much text"));
  return take(size.elements * count, &elements_, "many elements of lists and objects");
}

}  // namespace wde::pipeline::jinja
