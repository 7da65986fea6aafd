/// \file
/// Other forms of a result in C++17: c_results.h by value. Included by pyengine.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "pyengine/pyengine.hpp"

namespace pye {

/// A closed curve: x (column) and y (row) of each point.
struct Contour {
  std::vector<std::pair<float, float>> points;
  bool hole = false;  ///< The pixels of the label lie outside.
};

/// Of a class in every column [rows]; NaN where it is absent.
struct Boundaries {
  std::vector<float> upper;
  std::vector<float> lower;
};

/// Dense labels (height, width) as runs; those of label 0 are left out.
inline std::vector<pye_run> RunsOf(const uint8_t* labels, int64_t height, int64_t width) {
  int64_t count = 0;
  detail::Check(pye_labels_to_runs(labels, height, width, width, nullptr, 0, &count));
  std::vector<pye_run> runs(static_cast<size_t>(count));
  if (count > 0)
    detail::Check(pye_labels_to_runs(labels, height, width, width, runs.data(), count, &count));
  return runs;
}

/// Paints runs: the inverse of RunsOf().
inline std::vector<uint8_t> LabelsOf(const std::vector<pye_run>& runs, int64_t height,
                                     int64_t width) {
  std::vector<uint8_t> labels(static_cast<size_t>(height) * static_cast<size_t>(width));
  detail::Check(pye_runs_to_labels(runs.data(), static_cast<int64_t>(runs.size()), height, width,
                                   width, labels.data()));
  return labels;
}

/// The contours of one label in dense labels (height, width), along the edges of its pixels.
inline std::vector<Contour> ContoursOf(const uint8_t* labels, int64_t height, int64_t width,
                                       int32_t label) {
  struct Visit {
    std::vector<Contour> found;
    detail::Thrown thrown;
    static void Add(void* user, const pye_contour* contour) {
      auto* visit = static_cast<Visit*>(user);
      visit->thrown.Catch(
          [&] {
            Contour copy;
            copy.hole = contour->hole != 0;
            for (int64_t i = 0; i < contour->count; ++i)
              copy.points.emplace_back(contour->points[2 * i], contour->points[2 * i + 1]);
            visit->found.push_back(std::move(copy));
            return true;
          },
          false);
    }
  } visit;
  detail::Check(pye_labels_to_contours(labels, height, width, width, label, &Visit::Add, &visit));
  visit.thrown.Rethrow();
  return std::move(visit.found);
}

/// Boundaries of a class from dense probabilities (classes, height, width), to fractions of a row.
inline Boundaries BoundariesOf(const float* probabilities, int64_t classes, int64_t height,
                               int64_t width, int32_t label) {
  Boundaries found;
  found.upper.resize(static_cast<size_t>(width));
  found.lower.resize(static_cast<size_t>(width));
  detail::Check(pye_scores_to_boundaries(probabilities, classes, height, width, label,
                                         found.upper.data(), found.lower.data()));
  return found;
}

/// The same from dense labels (height, width), to rows.
inline Boundaries BoundariesOf(const uint8_t* labels, int64_t height, int64_t width,
                               int32_t label) {
  Boundaries found;
  found.upper.resize(static_cast<size_t>(width));
  found.lower.resize(static_cast<size_t>(width));
  detail::Check(pye_labels_to_boundaries(labels, height, width, width, label, found.upper.data(),
                                         found.lower.data()));
  return found;
}

}  // namespace pye
