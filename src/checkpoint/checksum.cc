#include "checkpoint/checksum.h"

#include <openssl/evp.h>

#include <memory>
#include <span>

#include "base/file.h"

namespace wde::checkpoint {
namespace {

struct DigestDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

// An OpenSSL digest; its calls fail only when memory is out.
class Digest {
 public:
  explicit Digest(const EVP_MD* algorithm) : context_(EVP_MD_CTX_new()) {
    WDE_CHECK(context_ != nullptr && EVP_DigestInit_ex(context_.get(), algorithm, nullptr) == 1);
  }

  void update(const void* data, size_t size_bytes) {
    WDE_CHECK(EVP_DigestUpdate(context_.get(), data, size_bytes) == 1);
  }

  std::string hex() {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned int size_bytes = 0;
    WDE_CHECK(EVP_DigestFinal_ex(context_.get(), bytes, &size_bytes) == 1);
    std::string text;
    for (const unsigned char byte : std::span(bytes, size_bytes))
      text += fmt::format("{:02x}", byte);
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, DigestDeleter> context_;
};

}  // namespace

std::optional<ChecksumKind> checksum_kind(std::string_view hex) {
  if (hex.find_first_not_of("0123456789abcdef") != std::string_view::npos) return std::nullopt;
  if (hex.size() == 64) return ChecksumKind::kSha256;
  if (hex.size() == 40) return ChecksumKind::kGitBlobSha1;
  return std::nullopt;
}

Result<std::string> file_checksum(const std::string& path, ChecksumKind kind) {
  WDE_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  Digest digest(kind == ChecksumKind::kSha256 ? EVP_sha256() : EVP_sha1());
  if (kind == ChecksumKind::kGitBlobSha1) {
    const std::string header = "blob " + std::to_string(file.bytes().size());
    digest.update(header.c_str(), header.size() + 1);  // with its NUL
  }
  digest.update(file.bytes().data(), file.bytes().size());
  return digest.hex();
}

}  // namespace wde::checkpoint
