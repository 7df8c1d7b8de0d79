#include "checkpoint/torch_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "support/paths.h"
#include "temp_folder.h"

namespace wde::checkpoint {
namespace {

using testing::HasSubstr;

using SourceResult = Result<std::shared_ptr<const WeightSource>>;

std::string fixture_path(const std::string& name) { return test::fixture("torch/" + name); }

std::string fixture(const std::string& name) { return test::read_all(fixture_path(name)); }

SourceResult open_bytes(const std::string& file) {
  return open_torch_bytes(std::as_bytes(std::span(file)), "test.pt");
}

// A tensor's elements as fp32, whatever floating-point dtype it has.
std::vector<float> values_of(const TensorView& view) {
  std::vector<float> values(static_cast<size_t>(view.shape.elements()));
  convert_elements(view.data, view.dtype, values.data(), DType::kF32, values.size());
  return values;
}

std::vector<float> counted(size_t count, float first = 0) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = first + static_cast<float>(i);
  return values;
}

void expect_refused(const std::string& file, StatusCode code, const std::string& part) {
  const SourceResult source = open_bytes(file);
  ASSERT_FALSE(source.ok()) << part;
  EXPECT_EQ(source.status().code(), code) << source.status().message();
  EXPECT_THAT(source.status().message(), HasSubstr(part));
  EXPECT_THAT(source.status().message(), HasSubstr("test.pt"));
}

// --- A writer of small archives, for what torch would not write ---

// Low byte first; `bytes` may be more than a number has.
void append_number(std::string* to, uint64_t number, int bytes) {
  for (int i = 0; i < bytes; ++i, number >>= 8) *to += static_cast<char>(number);
}

struct Named {
  std::string name;
  std::string content;
};

std::string stored_zip(const std::vector<Named>& files) {
  std::string archive, directory;
  for (const Named& file : files) {
    std::string sizes;  // checksum (not compared), compressed, uncompressed, name, extra
    append_number(&sizes, 0, 4);
    append_number(&sizes, file.content.size(), 4);
    append_number(&sizes, file.content.size(), 4);
    append_number(&sizes, file.name.size(), 2);
    append_number(&sizes, 0, 2);
    const std::string common = std::string("\0\0\0\0\0\0\0\0", 8) + sizes;
    directory += "PK\x01\x02" + std::string("\x14\0\x14\0", 4) + common;
    append_number(&directory, 0, 10);
    append_number(&directory, archive.size(), 4);
    directory += file.name;
    archive += "PK\x03\x04" + std::string("\x14\0", 2) + common + file.name + file.content;
  }
  std::string end("PK\x05\x06\0\0\0\0", 8);
  append_number(&end, files.size(), 2);
  append_number(&end, files.size(), 2);
  append_number(&end, directory.size(), 4);
  append_number(&end, archive.size(), 4);
  append_number(&end, 0, 2);
  return archive + directory + end;
}

// Pickle opcodes.
std::string int_code(int32_t value) {
  std::string code = "J";
  append_number(&code, static_cast<uint32_t>(value), 4);
  return code;
}
std::string long_code(int64_t value) {
  std::string code = "\x8a\x08";
  append_number(&code, static_cast<uint64_t>(value), 8);
  return code;
}
std::string text_code(const std::string& text) {
  std::string code = "X";
  append_number(&code, text.size(), 4);
  return code + text;
}
std::string tuple_code(const std::string& items) { return "(" + items + "t"; }
std::string global_code(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
std::string storage_code(const std::string& type, const std::string& key, const std::string& size) {
  return tuple_code(text_code("storage") + global_code("torch", type) + text_code(key) +
                    text_code("cpu") + size) +
         "Q";
}
std::string tensor_code(const std::string& storage, const std::string& offset,
                        const std::string& sizes, const std::string& strides) {
  return global_code("torch._utils", "_rebuild_tensor_v2") +
         tuple_code(storage + offset + tuple_code(sizes) + tuple_code(strides) + "\x89" +
                    global_code("collections", "OrderedDict") + ")R") +
         "R";
}
std::string dict_of_x(const std::string& value) {
  return "\x80\x02}" + text_code("x") + value + "s.";
}

std::string file_of(const std::string& pickle, const std::string& storage = std::string(16, '\0')) {
  return stored_zip({{"a/data.pkl", pickle}, {"a/data/0", storage}});
}

const std::string kFourFloats = storage_code("FloatStorage", "0", int_code(4));

void expect_refused_tensor(const std::string& tensor, const std::string& part) {
  expect_refused(file_of(dict_of_x(tensor)), StatusCode::kDataLoss, part);
}

// --- What torch writes ---

TEST(TorchFile, MapsAModulesStateDict) {
  const SourceResult source = open_torch_file(fixture_path("linear.pt"));
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_THAT((*source)->names(), testing::ElementsAre("bias", "weight"));
  EXPECT_EQ(values_of((*source)->tensor("weight", Shape{1, 4}).value()), counted(4));
  EXPECT_EQ(values_of((*source)->tensor("bias", Shape{1}).value()), counted(1));
  EXPECT_THAT((*source)->tensor("weigth").status().message(), HasSubstr("nearest is \"weight\""));
  EXPECT_EQ(open_torch_file("/no/such.pt").status().code(), StatusCode::kNotFound);
}

TEST(TorchFile, PointsIntoTheBytes) {
  const std::string file = fixture("linear.pt");
  const SourceResult source = open_bytes(file);
  ASSERT_TRUE(source.ok());
  const auto* data = (*source)->tensor("weight")->as<char>();
  EXPECT_GE(data, file.data());
  EXPECT_LE(data + 16, file.data() + file.size());
}

TEST(TorchFile, ReadsEveryDTypeThatAViewCanSay) {
  const SourceResult source = open_torch_file(fixture_path("dtypes.pt"));
  ASSERT_TRUE(source.ok()) << source.status().message();
  for (const DType dtype :
       {DType::kF32, DType::kBF16, DType::kF16, DType::kI64, DType::kI32, DType::kI8, DType::kU8}) {
    const auto tensor = (*source)->tensor(dtype_name(dtype));
    ASSERT_TRUE(tensor.ok()) << tensor.status().message();
    EXPECT_EQ(tensor->dtype, dtype);
    EXPECT_EQ(tensor->shape, (Shape{2, 3}));
  }
  for (const char* name : {"f32", "bf16", "f16"})
    EXPECT_EQ(values_of((*source)->tensor(name).value()), counted(6)) << name;
  EXPECT_EQ((*source)->tensor("i64")->as<int64_t>()[5], 5);
  EXPECT_EQ((*source)->tensor("f64").status().code(), StatusCode::kUnsupported);
  EXPECT_THAT((*source)->tensor("bool").status().message(), HasSubstr("torch.BoolStorage"));
}

class TorchLayouts : public testing::TestWithParam<const char*> {};

TEST_P(TorchLayouts, TensorsOfAnyStridesComeInOrder) {
  const SourceResult source = open_torch_file(fixture_path(GetParam()));
  ASSERT_TRUE(source.ok()) << source.status().message();
  const auto values = [&](const char* name, const Shape& shape) {
    const auto tensor = (*source)->tensor(name, shape);
    return tensor.ok() ? values_of(*tensor) : std::vector<float>{-1};
  };
  EXPECT_EQ(values("base", {4, 6}), counted(24));
  EXPECT_EQ(values("tied", {4, 6}), counted(24));
  EXPECT_EQ((*source)->tensor("tied")->data, (*source)->tensor("base")->data);
  const std::vector<float> transposed = values("transposed", {6, 4});
  EXPECT_THAT(std::span(transposed).first(5), testing::ElementsAre(0, 6, 12, 18, 1));
  EXPECT_THAT(values("columns", {4, 2}), testing::ElementsAre(1, 2, 7, 8, 13, 14, 19, 20));
  EXPECT_EQ(values("rows", {2, 6}), counted(12, 6));
  EXPECT_EQ(values("one", {}), counted(1, 15));
  EXPECT_EQ(values("empty", {0, 6}), counted(0));
  const std::vector<float> expanded = values("expanded", {3, 6});
  EXPECT_THAT(std::span(expanded).subspan(6),
              testing::ElementsAre(0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5));
  const std::vector<float> rank3 = values("rank3", {4, 2, 3});
  EXPECT_THAT(std::span(rank3).first(7), testing::ElementsAre(0, 4, 8, 12, 16, 20, 1));
  EXPECT_EQ(values("parameter", {3}), counted(3));
  EXPECT_THAT((*source)->tensor("rank5").status().message(), HasSubstr("5 dimensions"));
  EXPECT_THAT((*source)->tensor("count").status().message(), HasSubstr("is not a tensor"));
}

INSTANTIATE_TEST_SUITE_P(Protocols, TorchLayouts, testing::Values("layouts.pt", "protocol4.pt"));

TEST(TorchFile, ReadsZip64) {
  const SourceResult source = open_torch_file(fixture_path("zip64.pt"));
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_EQ(values_of((*source)->tensor("weight", Shape{1, 4}).value()), counted(4));
}

TEST(TorchFile, ExecutesNothingAndNamesWhatWasAskedFor) {
  expect_refused(fixture("payload.pt"), StatusCode::kUnsupported, "\"posix.system\"");
  EXPECT_FALSE(std::filesystem::exists("/tmp/pickle_was_executed"));
  expect_refused(file_of("\x80\x04\x8c\x08"
                         "builtins\x8c\x04"
                         "eval\x93."),
                 StatusCode::kUnsupported, "\"builtins.eval\"");
}

TEST(TorchFile, RefusesOtherFormatsByName) {
  expect_refused(fixture("legacy.pt"), StatusCode::kUnsupported, "before 1.6");
  expect_refused(fixture("script.pt"), StatusCode::kUnsupported, "TorchScript");
  expect_refused(fixture("deflated.pt"), StatusCode::kUnsupported, "compressed");
  expect_refused(fixture("list.pt"), StatusCode::kUnsupported, "no dict of tensors");
  expect_refused("", StatusCode::kDataLoss, "0 bytes");
  expect_refused("not a zip", StatusCode::kDataLoss, "no zip archive");
  expect_refused(stored_zip({{"x", "y"}}), StatusCode::kDataLoss, "without data.pkl");
  expect_refused(stored_zip({{"a/data.pkl", dict_of_x("N")}, {"a/byteorder", "big"}}),
                 StatusCode::kUnsupported, "byte order");
}

// --- Broken and hostile files ---

TEST(TorchFile, EveryTruncationIsRefused) {
  const std::string whole = fixture("dtypes.pt");
  ASSERT_TRUE(open_bytes(whole).ok());
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::string cut = whole.substr(0, size);
    EXPECT_EQ(open_bytes(cut).status().code(), StatusCode::kDataLoss) << size;
  }
}

// A byte that is wrong gives an error or tensors that lie inside the file or a copy of it.
TEST(TorchFile, NoWrongByteLeavesTheFile) {
  const std::string whole = fixture("linear.pt");
  size_t opened = 0;
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const int wrong : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      std::string file = whole;
      file[i] = static_cast<char>(wrong);
      const SourceResult source = open_bytes(file);
      if (!source.ok()) continue;
      ++opened;
      for (const std::string& name : (*source)->names()) {
        const auto tensor = (*source)->tensor(name);
        if (!tensor.ok()) continue;
        const auto* data = tensor->as<char>();
        if (data < file.data() || data >= file.data() + file.size()) continue;  // a copy
        ASSERT_LE(data + tensor->span_bytes(), file.data() + file.size()) << "byte " << i;
      }
    }
  }
  EXPECT_GT(opened, 0U);
}

TEST(TorchFile, AWellFormedHandMadeFileIsRead) {
  const std::string file = file_of(dict_of_x(tensor_code(
      kFourFloats, int_code(0), int_code(2) + long_code(2), int_code(2) + int_code(1))));
  const SourceResult source = open_bytes(file);
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_TRUE((*source)->tensor("x", Shape{2, 2}).ok());
}

TEST(TorchFile, RefusesLyingTensors) {
  const std::string beyond = "beyond its storage's 4 elements";
  const std::string one = int_code(1), zero = int_code(0);
  expect_refused_tensor(tensor_code(kFourFloats, zero, int_code(5), one), beyond);
  expect_refused_tensor(tensor_code(kFourFloats, one, int_code(4), one), beyond);
  expect_refused_tensor(tensor_code(kFourFloats, zero, int_code(2), int_code(4)), beyond);
  const std::string huge = long_code(int64_t{1} << 62);
  expect_refused_tensor(tensor_code(kFourFloats, zero, huge + huge, zero + zero), beyond);
  expect_refused_tensor(tensor_code(kFourFloats, huge, int_code(2), huge), beyond);
  expect_refused_tensor(tensor_code(kFourFloats, zero, int_code(-1), one), "from 0 on");
  expect_refused_tensor(tensor_code(kFourFloats, zero, one, int_code(-1)), "from 0 on");
  expect_refused_tensor(tensor_code(kFourFloats, int_code(-1), one, one), "offset -1");
  expect_refused_tensor(tensor_code(kFourFloats, zero, one + one, one), "2 sizes and 1 strides");
  expect_refused_tensor(tensor_code(zero, zero, one, one), "made of a storage");
  std::string ones;
  for (int i = 0; i < 65; ++i) ones += one;
  expect_refused_tensor(tensor_code(kFourFloats, zero, ones, ones), "65 dimensions");
}

TEST(TorchFile, RefusesLyingStorages) {
  const auto with_storage = [](const std::string& storage) {
    return tensor_code(storage, int_code(0), int_code(1), int_code(1));
  };
  expect_refused_tensor(with_storage(storage_code("FloatStorage", "0", int_code(5))),
                        "a/data/0 has 16 bytes, but should hold 5");
  expect_refused_tensor(with_storage(storage_code("HalfStorage", "0", int_code(4))), "16 bytes");
  expect_refused_tensor(with_storage(storage_code("FloatStorage", "0", int_code(-4))), "16 bytes");
  expect_refused_tensor(with_storage(storage_code("FloatStorage", "1", int_code(4))),
                        "a/data/1 is not in the archive");
  expect_refused_tensor(with_storage(storage_code("FloatStorage", "../0", int_code(4))),
                        "not in the archive");
  expect_refused_tensor(with_storage(")Q"), "must be (\"storage\"");
}

// Strides of 0 would make terabytes of 16 bytes.
TEST(TorchFile, RefusesStridesThatMultiplyTheFile) {
  const std::string million = int_code(1 << 20), zeros = int_code(0) + int_code(0);
  expect_refused(
      file_of(dict_of_x(tensor_code(kFourFloats, int_code(0), million + million, zeros))),
      StatusCode::kUnsupported, "more than the whole file has");
}

TEST(TorchFile, RefusesBrokenPickles) {
  const auto broken = [](const std::string& pickle, const std::string& part) {
    expect_refused(file_of(pickle), StatusCode::kDataLoss, part);
  };
  broken("", "truncated");
  broken("\x80\x02", "truncated");
  broken("\x80\x02}", "truncated");
  broken(".", "nothing on the stack");
  broken("t.", "no mark");
  broken("(]e.", "nothing on the stack");
  broken("h\x05.", "nothing was kept as 5");
  broken("N)R.", "can't be called");
  broken("]Q.", "persistent id");
  broken("}(Nu.", "key without a value");
  broken(")Na.", "holds none");
  broken("X\xff\xff\xff\x7f.", "truncated");
  broken("\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", "truncated");
  broken(std::string("X\x01\0\0\0\xff.", 7), "not valid UTF-8");
  broken("ccollections", "has no end");
}

TEST(TorchFile, RefusesWhatNoStateDictNeeds) {
  const auto refused = [](const std::string& pickle, const std::string& part) {
    expect_refused(file_of(pickle), StatusCode::kUnsupported, part);
  };
  refused("\x80\x05.", "protocol 5");
  refused("ios\nsystem\n.", "opcode 0x69");
  refused("\x82\x01.", "opcode 0x82");
  refused("ctorch\nload\n.", "\"torch.load\"");
  refused("ctorch._utils\n_rebuild_tensor_v3\n.", "_rebuild_tensor_v3");
  refused(
      "\x8a\x09"
      "123456789.",
      "integer of 9 bytes");
  refused("]Nb.", "attributes");
}

// A list that holds itself, tuples that double at each level, a million marks: none of it is
// expanded, and none recurses.
TEST(TorchFile, EndlessAndDeepValuesAreHarmless) {
  const auto opens = [](const std::string& pickle) { return open_bytes(file_of(pickle)).ok(); };
  EXPECT_TRUE(
      opens(dict_of_x("]q\x01h\x01"
                      "a")));
  std::string doubling = "N";
  for (int level = 0; level < 200; ++level) doubling += "q\x01h\x01\x86";
  EXPECT_TRUE(opens(dict_of_x(doubling)));
  std::string deep = "N";
  for (int level = 0; level < 1000000; ++level) deep += "\x85";
  EXPECT_TRUE(opens(dict_of_x(deep)));
  expect_refused(file_of(std::string(1000000, '(') + "."), StatusCode::kDataLoss,
                 "nothing on the stack");
  expect_refused(file_of(std::string(3000000, 'N') + "."), StatusCode::kUnsupported,
                 "more than 2000000 values");
}

TEST(TorchFile, RefusesLyingArchives) {
  const std::string good = file_of(dict_of_x("N"));
  ASSERT_TRUE(open_bytes(good).ok());
  std::string twice = stored_zip({{"a/data.pkl", dict_of_x("N")}, {"a/data.pkl", dict_of_x("N")}});
  expect_refused(twice, StatusCode::kDataLoss, "stands twice");
  std::string larger = good;  // the pickle's sizes in the directory
  const size_t directory = larger.find("PK\x01\x02");
  larger[directory + 22] = larger[directory + 26] = '\x7f';
  expect_refused(larger, StatusCode::kDataLoss, "outside the archive");
  expect_refused(stored_zip({{std::string(2000, 'n'), ""}}), StatusCode::kDataLoss,
                 "file name of 2000 bytes");
}

}  // namespace
}  // namespace wde::checkpoint
