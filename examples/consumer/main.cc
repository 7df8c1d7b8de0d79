#include <wde/catalog.h>
#include <wde/engine.h>

#include <cstdio>

int main() {
  wde::EngineOptions options;
  options.model = "/nonexistent/model";
  const auto engine = wde::Engine::load(options);
  std::printf("wde %s; loading %s: %s\n", wde::version().c_str(), options.model.c_str(),
              engine.ok() ? "works" : engine.status().message().c_str());
  return engine.ok() || wde::catalog().empty() ? 1 : 0;
}
