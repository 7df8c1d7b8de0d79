// One of a limited number of permits, for as long as it lives.
#pragma once

#include <atomic>

namespace wde::http {

class Permit {
 public:
  Permit(std::atomic<int>& used, int limit) : used_(used), granted_(used.fetch_add(1) < limit) {}
  ~Permit() { used_.fetch_sub(1); }
  Permit(const Permit&) = delete;
  Permit& operator=(const Permit&) = delete;
  bool granted() const { return granted_; }

 private:
  std::atomic<int>& used_;
  const bool granted_;
};

}  // namespace wde::http
