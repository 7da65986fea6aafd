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
      BandsMakeTheWhole(engine, pixels);
      ResultsTakeOtherForms(engine, pixels);
      ThreadsAreShared(engine, pixels);
      MessagesArrive(engine.Path);
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

  private static void BandsMakeTheWhole(Engine engine, byte[] pixels) {
    byte[] labels = engine.Labels<byte>(pixels, Height, Width);
    var tiles = new SegmentOptions { TileHeight = 16, TileWidth = 16 };
    for (int begin = 0; begin < Height; begin += 16) {
      int end = Math.Min(begin + 16, Height), first, last;
      engine.BandRows(Height, Width, begin, end, out first, out last, tiles);
      var rows = new ReadOnlySpan<byte>(pixels, first * Width, (last - first) * Width);
      byte[] band = engine.LabelsOfBand(rows, first, Height, Width, begin, end, tiles);
      Check(band.SequenceEqual(labels.Skip(begin * Width).Take(band.Length)), "bands are as in the whole");
    }
  }

  private static void ResultsTakeOtherForms(Engine engine, byte[] pixels) {
    byte[] labels = engine.Labels<byte>(pixels, Height, Width);
    Run[] runs = Results.Runs(labels, Height, Width);
    Check(runs.Length > 1 && runs.Sum(run => run.End - run.Begin) == labels.Count(l => l != 0),
          "runs hold every labelled pixel");
    Check(Results.Labels(runs, Height, Width).SequenceEqual(labels), "runs paint the labels again");
    var square = new byte[64];
    for (int y = 2; y < 5; ++y)
      for (int x = 3; x < 7; ++x) square[8 * y + x] = 1;
    var contours = Results.Contours(square, 8, 8, 1);
    Check(contours.Count == 1 && !contours[0].Hole && contours[0].Points.Length >= 8,
          "a square has one contour");
    float[] upper = new float[8], lower = new float[8];
    Results.Boundaries(square, 8, 8, 1, upper, lower);
    Check(float.IsNaN(upper[0]) && lower[3] - upper[3] == 3, "a boundary above and below");
  }

  private static void ThreadsAreShared(Engine engine, byte[] pixels) {
    using (var scheduler = new Scheduler())
    using (var other = new Engine(engine.Path, new EngineOptions { ShareThreads = engine })) {
      Check(other.Info.Threads == engine.Info.Threads, "threads are shared");
      var turn = new SegmentOptions { Scheduler = scheduler, Priority = 3 };
      Check(other.Labels<byte>(pixels, Height, Width, turn).SequenceEqual(
                engine.Labels<byte>(pixels, Height, Width)), "turns change nothing");
    }
    var nowhere = new EngineOptions { Threads = 2, Thread = new ThreadOptions { Cores = new[] { 99999 } } };
    Check(StatusOf(() => new Engine(engine.Path, nowhere)) == Status.Unsupported,
          "a core that is not there");
  }

  private static void MessagesArrive(string path) {
    string heard = "";
    Log.Set((level, message) => heard += level + ": " + message + "\n");
    new Engine(path).Dispose();
    Log.Set(null);
    Check(heard.Contains("Info: ") && heard.Contains("opened on"), "messages arrive");
    int before = heard.Length;
    new Engine(path).Dispose();
    Check(heard.Length == before, "until they are not wanted");
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
