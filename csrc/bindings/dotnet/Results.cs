// Other forms of results: runs, contours, boundaries of a class.
using System;
using System.Collections.Generic;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace PyEngine {

/// <summary>Pixels of one label that follow each other in a row.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct Run {
  public int Row;
  /// <summary>First column.</summary>
  public int Begin;
  /// <summary>Last column + 1.</summary>
  public int End;
  public int Label;
}

/// <summary>One closed curve around pixels of a label, or around a hole in them.</summary>
public sealed class Contour {
  /// <summary>x, y, x, y, ... (column, row); the last point is not the first again.</summary>
  public float[] Points { get; internal set; }
  /// <summary>The pixels of the label lie outside.</summary>
  public bool Hole { get; internal set; }
}

/// <summary>What can be made of labels and probabilities.</summary>
public static class Results {
  /// <summary>The runs of all labels but 0, from labels (height, width).</summary>
  public static unsafe Run[] Runs(ReadOnlySpan<byte> labels, int height, int width) {
    Images.CheckRoom(labels.Length, (long)height * width);
    fixed (byte* from = &MemoryMarshal.GetReference(labels)) {
      long count;
      PyEngineException.Check(
          Native.pye_labels_to_runs(from, height, width, width, null, 0, out count));
      var runs = new Run[count];
      if (count == 0) return runs;
      fixed (Run* to = runs)
        PyEngineException.Check(
            Native.pye_labels_to_runs(from, height, width, width, to, count, out count));
      return runs;
    }
  }

  /// <summary>The inverse of Runs; pixels of no run become 0.</summary>
  public static unsafe byte[] Labels(ReadOnlySpan<Run> runs, int height, int width) {
    var labels = new byte[Images.Pixels(height, width, null)];
    fixed (Run* from = &MemoryMarshal.GetReference(runs))
    fixed (byte* to = labels)
      PyEngineException.Check(
          Native.pye_runs_to_labels(from, runs.Length, height, width, width, to));
    return labels;
  }

  /// <summary>The contours of a label, from labels (height, width).</summary>
  public static unsafe List<Contour> Contours(ReadOnlySpan<byte> labels, int height, int width,
                                              int label) {
    Images.CheckRoom(labels.Length, (long)height * width);
    var contours = new List<Contour>();
    ExceptionDispatchInfo thrown = null;  // no exception may pass through C
    Native.pye_visit visit = (IntPtr user, ref Native.pye_contour contour) => {
      try {
        var points = new float[2 * contour.count];
        if (points.Length > 0) Marshal.Copy(contour.points, points, 0, points.Length);
        contours.Add(new Contour { Points = points, Hole = contour.hole != 0 });
      } catch (Exception e) {
        thrown = thrown ?? ExceptionDispatchInfo.Capture(e);
      }
    };
    fixed (byte* from = &MemoryMarshal.GetReference(labels)) {
      Status status =
          Native.pye_labels_to_contours(from, height, width, width, label, visit, IntPtr.Zero);
      GC.KeepAlive(visit);
      if (thrown != null) thrown.Throw();
      PyEngineException.Check(status);
    }
    return contours;
  }

  /// <summary>Upper and lower boundary of a class in every column [rows], from probabilities
  /// (classes, height, width); NaN where it is absent.</summary>
  public static unsafe void Boundaries(ReadOnlySpan<float> probabilities, int classes, int height,
                                       int width, int label, Span<float> upper, Span<float> lower) {
    Images.CheckRoom(probabilities.Length, (long)classes * height * width);
    Images.CheckRoom(Math.Min(upper.Length, lower.Length), width);
    fixed (float* from = &MemoryMarshal.GetReference(probabilities))
    fixed (float* above = &MemoryMarshal.GetReference(upper))
    fixed (float* below = &MemoryMarshal.GetReference(lower))
      PyEngineException.Check(Native.pye_scores_to_boundaries(from, classes, height, width, label,
                                                              above, below));
  }

  /// <summary>The same from labels (height, width): boundaries lie on pixels' edges.</summary>
  public static unsafe void Boundaries(ReadOnlySpan<byte> labels, int height, int width, int label,
                                       Span<float> upper, Span<float> lower) {
    Images.CheckRoom(labels.Length, (long)height * width);
    Images.CheckRoom(Math.Min(upper.Length, lower.Length), width);
    fixed (byte* from = &MemoryMarshal.GetReference(labels))
    fixed (float* above = &MemoryMarshal.GetReference(upper))
    fixed (float* below = &MemoryMarshal.GetReference(lower))
      PyEngineException.Check(
          Native.pye_labels_to_boundaries(from, height, width, width, label, above, below));
  }
}
}
