// A line plot as an SVG file: axes with round ticks, a legend, a title. Pure functions over plain
// values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace wde::cli {

struct PlotPoint {
  double x = 0;  // finite
  double y = 0;
  std::string label;  // shown beside the point in the first series, and on hovering in each
};

struct PlotSeries {
  std::string name;
  std::vector<PlotPoint> points;  // joined in this order
};

struct Plot {
  std::string title;
  std::string subtitle;
  std::string x_label;
  std::string y_label;
  std::vector<PlotSeries> series;
};

// An axis is logarithmic when its values are positive and span a factor of more than 20.
std::string plot_svg(const Plot& plot);

// Round numbers (1, 2 or 5 times a power of ten) that cover low … high, ends included: some five on
// a linear axis, on a logarithmic one those between the ends.
struct AxisTicks {
  bool logarithmic = false;
  std::vector<double> values;  // ascending; the first and last are the axis's ends
};
AxisTicks axis_ticks(double low, double high);

// Text between tags or in an attribute.
std::string escape_xml(std::string_view text);

}  // namespace wde::cli
