#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <unordered_set>

#include "report/html_parts.h"
#include "report/html_text.h"
#include "report/series_choice.h"
#include "report/words.h"

namespace torchvet {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostUpdates = 1'000'000;  ///< of all tensors together
constexpr std::size_t kMostRows = 1'000;         ///< of the table of checkpoints
constexpr std::size_t kMostListed = 40;          ///< remarkable tensors told in words

/// Three digits are more than a line shows. NaN, which stands for what is not known, is null.
Json update_json(float update) {
  if (std::isnan(update)) return nullptr;
  if (std::isinf(update)) return "infinite";
  if (update == 0) return 0;
  const double scale = std::pow(10.0, 2 - std::floor(std::log10(static_cast<double>(update))));
  return std::isfinite(scale) ? std::round(static_cast<double>(update) * scale) / scale
                              : static_cast<double>(update);
}

class SeriesWriter {
 public:
  explicit SeriesWriter(const ReportedSeries& series)
      : series_(series), folder_(common_folder(series)), remarkable_(remarkable_tracks(series)) {}

  std::string write() const {
    std::string out = fmt::format(
        "<section id=\"series\" aria-labelledby=\"series-title\">\n"
        "<h2 id=\"series-title\">How the parameters moved</h2>\n<p>{} checkpoints{}, ordered by "
        "{}. "
        "The relative update of a tensor is the norm of its change from one checkpoint to the "
        "next, "
        "divided by its norm before.</p>\n",
        series_.intervals.size() + 1,
        folder_.empty() ? "" : fmt::format(" in <code>{}</code>", html_text(folder_)),
        html_prose(series_.order));
    out += "<div id=\"updates\"></div>\n";
    out += listed();
    out += table();
    out += data_element("series-data", data());
    return out + "</section>\n";
  }

 private:
  std::string checkpoint(const std::string& path) const {
    return printed(std::string_view(path).substr(folder_.size()), kMaxPrinted);
  }

  /// The remarkable tensors in words: what a reader without the charts gets of them.
  std::string listed() const {
    std::vector<RemarkableTrack> all = remarkable_.moving;
    all.insert(all.end(), remarkable_.still.begin(), remarkable_.still.end());
    if (all.empty()) return "<p>No tensor stands out.</p>\n";
    std::string out =
        "<details class=\"listed\" open>\n<summary>Tensors that stand out</summary>\n<ul>\n";
    for (std::size_t i = 0; i < std::min(all.size(), kMostListed); ++i) {
      out += fmt::format("<li><code>{}</code> {}</li>\n", html_text(all[i].track->name),
                         html_escape(label_of(series_, folder_, all[i])));
    }
    out += "</ul>\n";
    if (all.size() > kMostListed) {
      out += fmt::format("<p>and {} more.</p>\n", grouped(all.size() - kMostListed));
    }
    return out + "</details>\n";
  }

  std::string table() const {
    std::string rows = fmt::format(
        "<tr><td class=\"number\">{}</td><th scope=\"row\">{}</th><td></td><td></td><td></td>"
        "<td></td></tr>\n",
        html_text(series_.intervals.front().from_step),
        html_escape(checkpoint(series_.intervals.front().from)));
    for (std::size_t i = 0; i < std::min(series_.intervals.size(), kMostRows); ++i) {
      const ReportedInterval& interval = series_.intervals[i];
      rows += fmt::format(
          "<tr><td class=\"number\">{}</td><th scope=\"row\">{}</th><td class=\"number\">{}</td>"
          "<td class=\"number\">{}</td><td class=\"number\">{}</td><td "
          "class=\"number\">{}</td></tr>\n",
          html_text(interval.to_step), html_escape(checkpoint(interval.to)),
          grouped(interval.moved), grouped(interval.tensors - interval.moved),
          interval.unknown > 0 ? grouped(interval.unknown) : "",
          interval.median_update ? fmt::format("{:.2g}", *interval.median_update) : "");
    }
    std::string more;
    if (series_.intervals.size() > kMostRows) {
      more = fmt::format("<p>and {} more.</p>\n", grouped(series_.intervals.size() - kMostRows));
    }
    return fmt::format(
        "<h3>Checkpoints</h3>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
        "aria-label=\"Checkpoints of the series\">\n<table>\n<thead><tr>"
        "<th scope=\"col\" class=\"number\">step</th><th scope=\"col\">checkpoint</th>"
        "<th scope=\"col\" class=\"number\">moved</th><th scope=\"col\" "
        "class=\"number\">static</th>"
        "<th scope=\"col\" class=\"number\">not comparable</th>"
        "<th scope=\"col\" class=\"number\">median update</th></tr></thead>\n<tbody>\n{}</tbody>\n"
        "</table>\n</div>\n{}",
        rows, more);
  }

  /// Remarkable tensors come first, as they are the ones that must be there.
  Json data() const {
    Json checkpoints = Json::array(), medians = Json::array(), tracks = Json::array();
    const auto step = [](const std::string& text) {
      return text.empty() ? "" : printed(text, kMaxPrinted);
    };
    const ReportedInterval& first = series_.intervals.front();
    checkpoints.push_back({{"name", checkpoint(first.from)}, {"step", step(first.from_step)}});
    for (const ReportedInterval& interval : series_.intervals) {
      checkpoints.push_back({{"name", checkpoint(interval.to)}, {"step", step(interval.to_step)}});
      medians.push_back(interval.median_update
                            ? update_json(static_cast<float>(*interval.median_update))
                            : Json(nullptr));
    }
    std::unordered_map<const ReportedTrack*, std::size_t> place;  // in the order of the model
    for (const ReportedTrack& track : series_.tracks) place.emplace(&track, place.size());
    std::size_t room = kMostUpdates;
    std::uint64_t left_out = 0;
    const auto add = [&](const ReportedTrack& track, const std::string& label) {
      if (track.updates.size() > room) {
        ++left_out;
        return;
      }
      room -= track.updates.size();
      Json one = {{"name", printed(track.name, kMaxPrinted)}, {"place", place.at(&track)}};
      if (!track.parameter) one["buffer"] = true;
      if (!label.empty()) {
        one["mark"] = track.mark == TrackMark::kNone ? "outlying" : name_of(track.mark);
        one["label"] = label;
      }
      if (track.mark == TrackMark::kReplaced || track.mark == TrackMark::kNotFinite) {
        one["at"] = track.marked_in;
      }
      Json updates = Json::array();
      for (const float update : track.updates) updates.push_back(update_json(update));
      one["updates"] = std::move(updates);
      tracks.push_back(std::move(one));
    };
    std::unordered_set<const ReportedTrack*> done;
    for (const auto* list : {&remarkable_.moving, &remarkable_.still}) {
      for (const RemarkableTrack& one : *list) {
        add(*one.track, label_of(series_, folder_, one));
        done.insert(one.track);
      }
    }
    for (const ReportedTrack& track : series_.tracks) {
      if (!done.contains(&track)) add(track, "");
    }
    return {{"checkpoints", std::move(checkpoints)},
            {"medians", std::move(medians)},
            {"tracks", std::move(tracks)},
            {"left_out", left_out}};
  }

  const ReportedSeries& series_;
  const std::string_view folder_;
  const RemarkableTracks remarkable_;
};

}  // namespace

std::string series_section(const Report& report) {
  if (!report.series || report.series->intervals.empty()) return "";
  return SeriesWriter(*report.series).write();
}

}  // namespace torchvet
