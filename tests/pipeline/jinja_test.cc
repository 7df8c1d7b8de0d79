// The templates of rerankers: what Jinja (3.1, with transformers' settings) makes of the same ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "pipeline/jinja/template.h"

namespace wde::pipeline::jinja {
namespace {

using testing::HasSubstr;

json::object variables() {
  return json::parse(R"({"messages": [{"role": "query", "content": "boats "},
      {"role": "document", "content": "Bread & boats"}], "bos_token": "<s>", "n": 3})")
      .value()
      .as_object();
}

Result<std::string> render(std::string_view source) {
  const Result<Template> parsed = Template::parse(source);
  if (!parsed.ok()) return parsed.status();
  return parsed->render(variables());
}

struct Case {
  const char* source;
  const char* rendered;
};

class Rendered : public testing::TestWithParam<Case> {};

TEST_P(Rendered, AsJinjaDoes) {
  const Result<std::string> text = render(GetParam().source);
  ASSERT_TRUE(text.ok()) << text.status().message();
  EXPECT_EQ(*text, GetParam().rendered);
}

INSTANTIATE_TEST_SUITE_P(
    Templates, Rendered,
    testing::Values(
        Case{"plain { text } 100 %\n", "plain { text } 100 %"}, Case{"a\n\n", "a\n"},
        Case{"{{ bos_token }}{{ missing }}{{ none }}{{ true }}{{ 1 + 2 * 3 }}", "<s>NoneTrue7"},
        Case{"{{ messages[0].content | trim }}|{{ messages[-1]['role'] }}", "boats|document"},
        Case{"{{ messages | selectattr('role', 'eq', 'document') | map(attribute='content') | "
             "first }}",
             "Bread & boats"},
        Case{"{{ messages | selectattr('role', 'eq', 'system') | map(attribute='content') | first "
             "| default('none given') }}",
             "none given"},
        Case{"{% for m in messages %}\n  {% if m.role == 'query' %}\nQ{{ loop.index }}\n  "
             "{% else %}\nD{{ loop.index0 }}\n  {% endif %}\n{% endfor %}\nend",
             "Q1\nD1\nend"},
        Case{"{% for m in messages if m.role != 'query' -%}  {{ m.content }}{% endfor %}",
             "Bread & boats"},
        Case{"{% set ns = namespace(found=false) %}{% for m in messages %}{% if m.role == "
             "'document' %}{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.found }}",
             "True"},
        Case{"{% set x = 1 %}{% for i in range(3) %}{% set x = i %}{% endfor %}{{ x }}", "1"},
        Case{"a {#- a comment -#} b{# another #}\nc", "abc"},
        Case{"{{ 'it''s' }}{{ \"a\\nb\" }}{{ 'x' ~ n ~ 'y' }}", "itsa\nbx3y"},
        Case{"{{ 'yes' if n > 2 and not n == 4 else 'no' }}{{ 'z' if false }}", "yes"},
        Case{"{{ messages | length }}{{ messages[1:] | length }}{{ 'höchst'[1:3] }}", "21öc"},
        Case{"{{ 'q' in 'query' }}{{ n not in [1, 2] }}{{ n is defined }}{{ m is not defined }}",
             "TrueTrueTrueTrue"},
        Case{"{{ ' a b '.strip().split(' ') | join('-') }}{{ 'AB'.lower() }}", "a-bab"},
        Case{"{{ 7 // 2 }}{{ -7 // 2 }}{{ -7 % 3 }}{{ (1, 2)[1] }}{{ {'k': 'v'}.k }}", "3-422v"},
        Case{"{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }};{% endfor %}", "a=1;b=2;"},
        Case{"   {%- if n %} x{% endif +%}\n  {{ n }}", " x\n  3"},
        Case{"{{ 7 // -2 }}{{ 7 % -3 }}{{ -6 // 3 }}{{ -6 % 3 }}{{ 5 // -1 }}{{ 5 % -1 }}",
             "-4-2-20-50"},
        Case{"{{ (-9223372036854775807 - 1) % -1 }}{{ (-9223372036854775807 - 1) // 3 }}",
             "0-3074457345618258603"},
        Case{"{{ 9223372036854775806 % 9223372036854775807 }}", "9223372036854775806"},
        Case{"{{ range(9223372036854775807, -9223372036854775807) | length }}", "0"},
        Case{"{{ 'abc'.startswith(('x', 'ab')) }}{{ 'abc'.endswith(['x', 'y']) }}", "TrueFalse"},
        Case{"{{ 'aXbX' | replace('X', '-') | replace(old='-', new='+') }}", "a+b+"},
        Case{R"({{ 1 ~ 2 * 3 }}|{{ 'a\'b\\' }})", "16|a'b\\"},
        Case{"{{ 'aüc'[1] }}{{ 'aüc'[-1] }}{{ 'a'[1] }}", "üc"},
        Case{"{{ [{'a': {'b': [5, 'x']}}] | map(attribute='a.b.1') | first }}", "x"},
        Case{"{{ [{'a.b': 1, 'a': {'b': 2}}] | map(attribute='a.b') | join }}", "2"},
        Case{"{{ [{'a': {'b': 1}}, {'a': {}}] | selectattr('a.b') | list | length }}", "1"},
        Case{"{{ [{'a': {'b': 1}}, {'a': {}}] | rejectattr('a.b', 'defined') | first | length }}",
             "1"},
        Case{"{{ missing }}{{ missing | default('d') }}{{ missing is defined }}{{ n.missing }}"
             "{{ messages[7] is defined }}{{ 'y' if missing else 'n' }}{{ missing | length }}",
             "dFalseFalsen0"},
        Case{"{{ missing is sequence }}{{ 'a' in missing }}{{ missing == none }}{{ none.a }}"
             "{{ missing ~ 'a' }}",
             "TrueFalseFalsea"},
        Case{"{% if n == 1 %}a{% elif n == 3 %}b{% else %}c{% endif %}", "b"}));

struct Refusal {
  const char* source;
  const char* part;
};

class Refused : public testing::TestWithParam<Refusal> {};

TEST_P(Refused, ByNameAndLine) {
  const Status status = render(GetParam().source).status();
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr(GetParam().part));
  EXPECT_THAT(status.message(), HasSubstr("line "));
}

INSTANTIATE_TEST_SUITE_P(
    Templates, Refused,
    testing::Values(
        Refusal{"a\n{% macro f() %}{% endmacro %}", "macro"},
        Refusal{"a\n{{ n | tojson }}", "tojson"}, Refusal{"{{ n is odd }}", "odd"},
        Refusal{"{{ strftime_now('%d') }}", "strftime_now"}, Refusal{"{{ 'a'.title() }}", "title"},
        Refusal{"\n\n{{ n", "line 3"}, Refusal{"{% if n %}a", "endif"},
        Refusal{"{% endfor %}", "endfor"}, Refusal{"{{ 1 + 'a' }}", "\"+\""},
        Refusal{"{{ messages }}", "a list"}, Refusal{"{{ 1 // 0 }}", "division"},
        Refusal{"{# never", "comment"}, Refusal{"{{ 'open }}", "string"},
        Refusal{"{{ n n }}", "unexpected \"n\""},
        Refusal{"{{ raise_exception('only pairs') }}", "only pairs"},
        Refusal{"{{ 9223372036854775807 + n }}", "\"+\" of 9223372036854775807 and 3"},
        Refusal{"{{ -9223372036854775807 - n }}", "beyond 64 bits"},
        Refusal{"{{ 9223372036854775807 * n }}", "\"*\" of"},
        Refusal{"{{ (-9223372036854775807 - 1) // -1 }}", "\"//\" of"},
        Refusal{"{{ -(-9223372036854775807 - 1) }}", "\"-\" of"},
        Refusal{"{{ 1 % 0 }}", "division"}, Refusal{"{{ 3 > 2 > 1 }}", "chain"},
        Refusal{R"({{ '\u0041' }})", "escape"},
        Refusal{"{% for m in messages %}{{ loop.previtem }}{% endfor %}", "loop.previtem"},
        Refusal{"{% for m in messages %}{{ loop.depth }}{% endfor %}", "loop.depth"},
        Refusal{"{{ 2 ~ 3 + 1 }}", "\"+\""},
        Refusal{"{{ 9223372036854775808 }}", "an integer is beyond 64 bits"},
        Refusal{"{{ range(-9223372036854775807, 9223372036854775807) }}", "range()"},
        Refusal{"{{ 'a b'.split(' ', 1) }}", "\"split\" with 2 arguments"},
        Refusal{"{{ 'aa'.replace('a', 'b', 1) }}", "\"replace\" with 3 arguments"},
        Refusal{"{{ 'aa' | replace('a', 'b', 1) }}", "\"replace\" with 3 arguments"},
        Refusal{"{{ 'aa' | replace('a') }}", "\"replace\" with 1 arguments"},
        Refusal{"{{ 'aa' | replace('a', n) }}", "no text"},
        Refusal{"{{ messages | join(attribute='role') }}", "\"attribute\" of the filter"},
        Refusal{"{{ messages | map('first', attribute='role') }}", "map()"},
        Refusal{"{{ 'a'.startswith(n) }}", "\"startswith\""},
        Refusal{"{{ 'a'.endswith(['a', n]) }}", "\"endswith\""},
        Refusal{"{{ 'a'.startswith('a', 1) }}", "\"startswith\" with 2 arguments"},
        Refusal{"{{ messages[0].items(1) }}", "\"items\" with 1 arguments"},
        Refusal{"{{ namespace({'a': 1}).a }}", "\"namespace\""},
        Refusal{"{{ n is eq(1, 2) }}", "\"eq\" with 2 arguments"},
        Refusal{"{{ missing.a }}", "\"missing\" is undefined"},
        Refusal{"{{ missing['a'] is defined }}", "\"missing\" is undefined"},
        Refusal{"{{ messages[0].b.c | default('') }}", "\"messages[0].b\" is undefined"},
        Refusal{"{{ missing in 'abc' }}", "\"in\""}, Refusal{"{{ n not in 'abc' }}", "\"not in\""},
        Refusal{"{{ missing[0] }}", "\"missing\" is undefined"},
        Refusal{"{{ missing.strip() }}", "\"missing\" is undefined"},
        Refusal{"{{ (messages | selectattr('role', 'eq', 'x') | first).content }}",
                "\"a value\" is undefined"},
        Refusal{"{{ messages | map(attribute='a.b') | list }}", "\"a.b\" leads through"},
        Refusal{"{{ messages | selectattr('a.b') | list }}", "\"a.b\" leads through"},
        Refusal{"{{ messages | map(attribute='a') | first }}", "without \"a\""},
        Refusal{"{{ messages | map(attribute='99999999999999999999') }}", "beyond 64 bits"},
        Refusal{"{% for a, b in messages %}{% endfor %}", "2 names"}));

TEST(Template, HostileNestingEnds) {
  EXPECT_FALSE(render("{{ " + std::string(100'000, '(') + "n").ok());
  std::string source;
  for (int i = 0; i < 10'000; ++i) source += "{% if n %}";
  EXPECT_FALSE(render(source).ok());
  EXPECT_FALSE(render("{% for a in range(60000) %}{% for b in range(60000) %}{% endfor %}"
                      "{% endfor %}")
                   .ok());
}

std::string repeated(std::string_view part, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += part;
  return text;
}

TEST(Template, HostileChainsEnd) {
  for (const char* part : {" + 1", " ~ n", " * 1", " or n", " and n", " | trim", "[0]", ".b",
                           ".strip()", " is true", " is not true"}) {
    const Status status = render("{{ n" + repeated(part, 50'000) + " }}").status();
    ASSERT_FALSE(status.ok()) << part;
    EXPECT_THAT(status.message(), HasSubstr("line 1: an expression is more than 256")) << part;
  }
  EXPECT_FALSE(render("{{ " + repeated("not ", 200'000) + "n }}").ok());
  EXPECT_FALSE(render("{{ " + repeated("n if n else ", 50'000) + "n }}").ok());
  EXPECT_FALSE(render("{{ " + repeated("-(", 50'000) + "n").ok());
  const Status branches =
      render("{% if n %}" + repeated("{% elif n %}", 50'000) + "{% endif %}").status();
  EXPECT_THAT(branches.message(), HasSubstr("line 1: statements too deep"));
  // What templates have of each is far below.
  EXPECT_EQ(*render("{{ 0" + repeated(" + 1", 250) + " }}"), "250");
  EXPECT_EQ(
      *render("{% if n == 0 %}" + repeated("{% elif n == 1 %}", 50) + "{% else %}x{% endif %}"),
      "x");
}

TEST(Template, LengthHasAnEnd) {
  EXPECT_TRUE(render(std::string(Template::kMaxBytes, 'x')).ok());
  const Status status = render(std::string(Template::kMaxBytes + 1, 'x')).status();
  EXPECT_THAT(status.message(), HasSubstr("a template of 1048577 bytes"));
  const std::string strings = repeated("'a'", Template::kMaxBytes / 3 - 2);
  EXPECT_EQ(render("{{" + strings + "}}").value().size(), strings.size() / 3);
}

TEST(Template, HostileRenderingsEnd) {
  // x of a namespace, made anew from itself in a loop.
  const auto doubled = [](const std::string& first, const char* sum, int times) {
    return "{% set ns = namespace(x=" + first + ") %}{% for i in range(" + std::to_string(times) +
           ") %}{% set ns.x = " + sum + " %}{% endfor %}";
  };
  const std::string text = doubled("'a'", "ns.x + ns.x", 18),
                    list = doubled("[1]", "ns.x + ns.x", 15);
  const std::pair<std::string, const char*> kCases[] = {
      {doubled("'a'", "ns.x ~ ns.x", 60), "much text"},
      {doubled("'a'", "ns.x + ns.x", 60), "much text"},
      {doubled("[1]", "ns.x + ns.x", 60), "many elements"},
      {doubled("[]", "[ns.x]", 60'000), "64 deep"},
      {doubled("[]", "(1, {'a': ns.x})", 60'000), "64 deep"},
      {doubled("[]", "ns", 60'000), "64 deep"},
      {doubled("[]", "namespace(y=ns.x)", 60'000), "64 deep"},
      {doubled("[]", "ns.items()", 60'000), "64 deep"},
      {doubled("[]", "[false] | map('default', ns.x, true) | list", 60'000), "64 deep"},
      {text + "{{ ns.x | replace('a', ns.x) }}", "much text"},
      {text + "{{ ns.x.replace('a', ns.x) }}", "much text"},
      {text + "{{ range(60000) | join(ns.x) }}", "much text"},
      {text + "{{ range(60000) | map('default', ns.x) | map('replace', '1', ns.x) }}", "much text"},
      {text + "{% for i in range(60000) %}{{ ns.x }}{% endfor %}", "much text"},
      {text + "{{ (ns.x ~ ns.x ~ ns.x ~ ns.x ~ ns.x).split('a') }}", "many elements"},
      {list + "{{ ns.x | select('in', ns.x) | list | length }}", "many elements"},
      {list + "{{ ns.x | map('default', ns.x) | list | length }}", "many elements"},
      {"{% for a in range(60000) %}{% for b in range(60000) %}{% endfor %}{% endfor %}",
       "many elements"},
      {"{% for a in range(60000) %}" + repeated("{% if n %}{% endif %}", 1000) + "{% endfor %}",
       "many"},
      {"{% for a in range(60000) %}" + repeated("x{##}", 1000) + "{% endfor %}", "many steps"},
  };
  // Each ends by a limit on what it may do; without one it would not within a day.
  for (const auto& [source, part] : kCases) {
    const Status status = render(source).status();
    ASSERT_FALSE(status.ok()) << source.substr(0, 200);
    EXPECT_THAT(status.message(), HasSubstr(part)) << source.substr(0, 200);
  }
  // A text found in another one, both long and nearly the same throughout.
  EXPECT_EQ(*render(text + "{{ (ns.x ~ 'b') in (ns.x ~ ns.x) }}"), "False");
  EXPECT_EQ(render(text + "{{ ns.x.strip(ns.x[:1000] ~ 'b') }}").value(), "");
}

TEST(Template, LongTextsMayBeCopied) {
  const std::string document(8 << 20, 'd');
  json::object given = variables();
  given["messages"].as_array()[1].as_object()["content"] = document;
  const auto parsed = Template::parse(
      "{% for m in messages %}{% if m.role == 'document' and m.content is string and m.content %}"
      "{{ m.role ~ ': ' ~ (m.content | trim) }}{% endif %}{% endfor %}");
  ASSERT_TRUE(parsed.ok());
  const auto text = parsed->render(given);
  ASSERT_TRUE(text.ok()) << text.status().message();
  EXPECT_EQ(*text, "document: " + document);
}

}  // namespace
}  // namespace wde::pipeline::jinja
