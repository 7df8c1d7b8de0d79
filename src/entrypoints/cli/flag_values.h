// Flags whose value is one of a few words. Apart from options.h so that only files that define
// flags compile CLI11.
#pragma once

#include <CLI/App.hpp>
#include <optional>
#include <string>

#include "wde/types.h"

namespace wde::cli {

std::optional<TruncationSide> parse_truncation_side(const std::string& text);

// `parse` maps the text to an optional of `value`'s type; nullopt is a parse error that names the
// flag and the choices.
template <class T, class Parse>
CLI::Option* add_parsed(CLI::App& app, const std::string& name, T& value, Parse parse,
                        const std::string& choices, const std::string& description) {
  return app
      .add_option_function<std::string>(
          name,
          [&value, parse, name, choices](const std::string& text) {
            const auto parsed = parse(text);
            if (!parsed) throw CLI::ValidationError(name, "\"" + text + "\" is none of " + choices);
            value = *parsed;
          },
          description)
      ->type_name(choices);
}

}  // namespace wde::cli
