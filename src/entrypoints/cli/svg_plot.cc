#include "entrypoints/cli/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

namespace wde::cli {
namespace {

constexpr double kWidth = 920, kHeight = 520;
constexpr double kLeft = 72, kRight = 680, kTop = 72,
                 kBottom = 456;          // of the area between the axes
constexpr double kLogarithmicFrom = 20;  // high / low
// Okabe and Ito's palette, which colour-blind readers can tell apart (jfly.uni-koeln.de/color).
constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                    "#e69f00", "#56b4e9", "#000000"};
constexpr const char* kDashes[] = {"", "6 3", "2 3", "8 3 2 3"};

struct Axis {
  AxisTicks ticks;
  double begin_px = 0;
  double end_px = 0;

  double place(double value) const {
    const double low = scaled(ticks.values.front()), high = scaled(ticks.values.back());
    return begin_px + (scaled(value) - low) / (high - low) * (end_px - begin_px);
  }
  double scaled(double value) const { return ticks.logarithmic ? std::log10(value) : value; }
};

std::vector<double> logarithmic_ticks(double low, double high) {
  std::vector<double> all;
  for (int power = static_cast<int>(std::floor(std::log10(low)));; ++power) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      all.push_back(factor * std::pow(10.0, power));
      // Only the last tick below `low` is kept.
      if (all.size() > 1 && all[1] <= low) all.erase(all.begin());
      if (all.back() >= high && all.size() > 1) return all;
    }
  }
}

std::vector<double> linear_ticks(double low, double high) {
  if (low > 0 && low < high / 2) low = 0;
  if (high <= low) high = low + std::max(1.0, std::abs(low));
  const double rough = (high - low) / 5;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  const double factor = rough / power;
  const double step = power * (factor > 5 ? 10 : factor > 2 ? 5 : factor > 1 ? 2 : 1);
  std::vector<double> all;
  for (double i = std::floor(low / step);; ++i) {
    all.push_back(i * step);
    if (all.back() >= high && all.size() > 1) return all;
  }
}

template <class Select>
AxisTicks ticks_of(const Plot& plot, Select select) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const PlotSeries& series : plot.series) {
    for (const PlotPoint& point : series.points) {
      low = std::min(low, select(point));
      high = std::max(high, select(point));
    }
  }
  return low <= high ? axis_ticks(low, high) : axis_ticks(0, 1);
}

std::string text(double x, double y, std::string_view attributes, std::string_view content) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" {}>{}</text>\n", x, y, attributes,
                     escape_xml(content));
}

std::string line(double x1, double y1, double x2, double y2, std::string_view attributes) {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x1, y1,
                     x2, y2, attributes);
}

std::string draw_axes(const Plot& plot, const Axis& x, const Axis& y) {
  constexpr std::string_view kGrid = "stroke=\"#dddddd\"", kFrame = "stroke=\"#444444\"";
  const double left = x.begin_px, right = x.end_px, bottom = y.begin_px, top = y.end_px;
  std::string svg;
  for (const double value : x.ticks.values) {
    svg += line(x.place(value), bottom, x.place(value), top, kGrid);
    svg += text(x.place(value), bottom + 18, "text-anchor=\"middle\"", fmt::format("{:g}", value));
  }
  for (const double value : y.ticks.values) {
    svg += line(left, y.place(value), right, y.place(value), kGrid);
    svg += text(left - 8, y.place(value) + 4, "text-anchor=\"end\"", fmt::format("{:g}", value));
  }
  svg += line(left, bottom, right, bottom, kFrame) + line(left, bottom, left, top, kFrame);
  svg += text((left + right) / 2, bottom + 42, "text-anchor=\"middle\"", plot.x_label);
  const double middle = (top + bottom) / 2;
  return svg +
         text(20, middle,
              fmt::format("text-anchor=\"middle\" transform=\"rotate(-90 20 {:.1f})\"", middle),
              plot.y_label);
}

std::string draw_series(const PlotSeries& series, size_t index, const Axis& x, const Axis& y) {
  const std::string colour = kColours[index % std::size(kColours)];
  const std::string stroke =
      fmt::format("stroke=\"{}\" stroke-width=\"2\" stroke-dasharray=\"{}\"", colour,
                  kDashes[index / std::size(kColours) % std::size(kDashes)]);
  std::string path, marks;
  for (const PlotPoint& point : series.points) {
    const double px = x.place(point.x), py = y.place(point.y);
    path += fmt::format("{}{:.1f},{:.1f}", path.empty() ? "M" : " L", px, py);
    marks += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.5\" fill=\"{}\"><title>{}</title></circle>\n",
        px, py, colour, escape_xml(series.name + ", " + point.label));
  }
  std::string svg;
  if (!path.empty()) svg = fmt::format("<path d=\"{}\" fill=\"none\" {}/>\n", path, stroke);
  const double legend_y = kTop + 12 + 22 * static_cast<double>(index);
  svg += marks + line(kRight + 20, legend_y, kRight + 46, legend_y, stroke);
  return svg + text(kRight + 54, legend_y + 4, "", series.name);
}

// Above every line, and with a white rim, so that none crosses a number out.
std::string draw_labels(const PlotSeries& series, const Axis& x, const Axis& y) {
  constexpr std::string_view kLabel =
      "text-anchor=\"end\" fill=\"#333333\" stroke=\"#ffffff\" stroke-width=\"3\" "
      "paint-order=\"stroke\"";
  std::string svg;
  for (const PlotPoint& point : series.points) {
    svg += text(x.place(point.x) - 7, y.place(point.y) - 7, kLabel, point.label);
  }
  return svg;
}

}  // namespace

AxisTicks axis_ticks(double low, double high) {
  if (low > 0 && high / low > kLogarithmicFrom) return {true, logarithmic_ticks(low, high)};
  return {false, linear_ticks(low, high)};
}

std::string escape_xml(std::string_view raw) {
  std::string escaped;
  for (const char c : raw) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return escaped;
}

std::string plot_svg(const Plot& plot) {
  const Axis x{ticks_of(plot, [](const PlotPoint& point) { return point.x; }), kLeft, kRight};
  const Axis y{ticks_of(plot, [](const PlotPoint& point) { return point.y; }), kBottom, kTop};
  // More series than the plot is high make the picture taller, so that the legend stays whole.
  const double height = std::max(kHeight, kTop + 22 * static_cast<double>(plot.series.size()) + 20);
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" "
      "font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
      kWidth, height);
  svg += text(kLeft, 30, "font-size=\"17\" font-weight=\"bold\"", plot.title);
  svg += text(kLeft, 50, "fill=\"#555555\"", plot.subtitle);
  svg += draw_axes(plot, x, y);
  for (size_t i = 0; i < plot.series.size(); ++i) svg += draw_series(plot.series[i], i, x, y);
  if (!plot.series.empty()) svg += draw_labels(plot.series.front(), x, y);
  return svg + "</svg>\n";
}

}  // namespace wde::cli
