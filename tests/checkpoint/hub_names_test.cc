#include <gtest/gtest.h>

#include "checkpoint/hub_cache.h"
#include "checkpoint/hub_listing.h"

namespace wde::checkpoint {
namespace {

TEST(HubListing, TakesOnlyFilesThatAreRead) {
  for (const char* path :
       {"config.json", "tokenizer.json", "vocab.txt", "merges.txt", "spiece.model",
        "model.safetensors", "model-00001-of-00002.safetensors", "model.safetensors.index.json",
        "pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json",
        "sparse_linear.pt", "colbert_linear.pt", "2_Dense/pytorch_model.bin",
        "1_Pooling/config.json", "query_0_Transformer/model.safetensors",
        "2_Asym/14016_Dense/config.json", "2_Dense_1024/model.safetensors",
        "0_Transformer/vocab.txt"}) {
    EXPECT_TRUE(is_read_file(path)) << path;
  }
  for (const char* path : {"pytorch_model.fp16.bin",
                           "1_Pooling/sparse_linear.pt",
                           "optimizer.pt",
                           "README.md",
                           "onnx/model.onnx",
                           "onnx/config.json",
                           "model.onnx",
                           "adapter_model.safetensors",
                           "model.fp16.safetensors",
                           "checkpoint-5/model.safetensors",
                           "../config.json",
                           "/config.json",
                           "1_Pooling/../../config.json",
                           "1_A/2_B/3_C/config.json",
                           "query_Transformer/config.json",
                           "tf_model.h5",
                           ".gitattributes",
                           "1Pooling/config.json",
                           "",
                           "model-x-of-2.safetensors"}) {
    EXPECT_FALSE(is_read_file(path)) << path;
  }
}

TEST(HubCache, KnowsIds) {
  for (const char* id : {"foo", "foo/bar", "123", "Foo-BAR_foo.bar123"})
    EXPECT_TRUE(is_model_id(id)) << id;
  for (const char* id : {"", "a/b/c", ".a", "a-", "a--b", "a..b", "/a", "a/", "a b", "ä"}) {
    EXPECT_FALSE(is_model_id(id)) << id;
  }
}

}  // namespace
}  // namespace wde::checkpoint
