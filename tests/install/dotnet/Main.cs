// A consumer in C#: consumer layout | run ENGINE CLASSIFIER
using System;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using PyEngine;

internal static class Program {
  private const int Height = 40, Width = 56;

  private static int Main(string[] arguments) {
    if (arguments[0] == "layout") {
      Layout.Print();
      return 0;
    }
    var pixels = new byte[Height * Width];
    for (int i = 0; i < pixels.Length; ++i) pixels[i] = (byte)(i * 37 % 251);
    using (var engine = new Engine(arguments[1], new EngineOptions { Threads = 2, Device = "cpu" })) {
      Segments(engine, pixels);
      CallbacksEndCalls(engine, pixels);
      ErrorsCarryTheStatus(engine, pixels);
      Streams.Test(engine, pixels, Height, Width);
    }
    using (var classifier = new Engine(arguments[2])) {
      Classification found = classifier.Classify<byte>(pixels, Height, Width);
      Check(Math.Abs(found.Probabilities.Sum() - 1) < 1e-5, "probabilities add up");
      Check(classifier.Info.Classes[(int)found.Index].Name != "", "the class has a name");
    }
    Console.WriteLine("C# consumer: pyengine " + Engine.Version + " works");
    return 0;
  }

  internal static void Check(bool condition, string promise) {
    if (!condition) throw new Exception("broken: " + promise);
  }

  private static void Segments(Engine engine, byte[] pixels) {
    byte[] labels = engine.Labels<byte>(pixels, Height, Width);
    Check(labels.All(label => label < engine.Info.Classes.Count), "labels are classes");
    Check(labels.Distinct().Count() > 1, "there is something to compare");
    byte[] tiled = engine.Labels<byte>(pixels, Height, Width, new SegmentOptions { TileHeight = 16 });
    Check(labels.SequenceEqual(tiled), "tiles change nothing");
    byte[] later = engine.LabelsAsync<byte>(pixels, Height, Width).Result;
    Check(labels.SequenceEqual(later), "a task brings the same");
    var floats = pixels.Select(p => (float)p).ToArray();
    Check(labels.SequenceEqual(engine.Labels<float>(floats, Height, Width)), "types change nothing");
    float[] scores = engine.Scores<byte>(pixels, Height, Width, Output.Probabilities);
    Check(scores.Length == engine.Info.Outputs * pixels.Length, "scores for all outputs");
    Check(scores.All(score => score >= 0 && score <= 1), "probabilities");
    engine.Prepare(Height, Width);
    Check(engine.Memory.Weights > 0, "weights take memory");
    engine.Trim();
    Check(engine.Memory.Idle == 0, "trim leaves no idle memory");
    byte[] file = System.IO.File.ReadAllBytes(engine.Path);
    using (var copy = new Engine(file))
      Check(labels.SequenceEqual(copy.Labels<byte>(pixels, Height, Width)), "memory opens like a file");
    var region = new SegmentOptions { Region = new Region { Top = 8, Left = 5, Height = 20, Width = 30 } };
    byte[] part = engine.Labels<byte>(pixels, Height, Width, region);
    bool same = part.Length == 600;
    for (int i = 0; i < part.Length && same; ++i)
      same = part[i] == labels[(8 + i / 30) * Width + 5 + i % 30];
    Check(same, "a region is as in the whole");
  }

  private static void CallbacksEndCalls(Engine engine, byte[] pixels) {
    var throws = new SegmentOptions { Progress = (done, total) => { throw new DivideByZeroException(); } };
    Check(Thrown(() => engine.Labels<byte>(pixels, Height, Width, throws)) is DivideByZeroException,
          "what a callback throws comes out of the call");
    var stops = new SegmentOptions { Progress = (done, total) => false };
    Check(Thrown(() => engine.Labels<byte>(pixels, Height, Width, stops)) is OperationCanceledException,
          "progress cancels");
    using (var source = new CancellationTokenSource()) {
      source.Cancel();
      // One tile is done before anyone is asked: a large image.
      var token = new SegmentOptions { CancellationToken = source.Token };
      var large = new byte[3000 * 3000];
      Check(Thrown(() => engine.Labels<byte>(large, 3000, 3000, token)) is OperationCanceledException,
            "a token cancels");
    }
  }

  private static void ErrorsCarryTheStatus(Engine engine, byte[] pixels) {
    Check(StatusOf(() => new Engine("/no/such/file")) == Status.IO, "a file that is not there");
    Check(StatusOf(() => engine.Classify<byte>(pixels, Height, Width)) == Status.Unsupported,
          "a segmentation engine does not classify");
    Check(Thrown(() => engine.Labels<byte>(pixels, Height + 1, Width)) is ArgumentException,
          "too few pixels");
    Check(Thrown(() => engine.Labels<decimal>(new decimal[4], 2, 2)) is ArgumentException,
          "pixels of another type");
  }

  internal static Exception Thrown(Action body) {
    try {
      body();
    } catch (Exception e) {
      return e;
    }
    return null;
  }

  internal static Status StatusOf(Action body) {
    var error = Thrown(body) as PyEngineException;
    return error == null ? Status.Ok : error.Status;
  }
}
