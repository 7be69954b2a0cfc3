use super::*;

const REPORT: &str = "\
Running 1s test @ http://127.0.0.1:18099/plaintext
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   635.06us  321.24us   6.20ms   94.71%
    Req/Sec    73.86k     1.44k   75.05k    90.00%
  Latency Distribution
     50%  620.00us
     75%  682.00us
     90%  720.00us
     99%    1.93ms
  73418 requests in 1.00s, 9.10MB read
Requests/sec:  73191.69
Transfer/sec:      9.07MB
";

#[test]
fn a_report_is_read() {
    let latency = Some(Latency {
        p50_us: 620.0,
        p99_us: 1930.0,
    });
    let expected = Totals {
        answered_count: 73418,
        rate: 73191.69,
        latency,
    };
    assert_eq!(parse(REPORT), Ok(expected));
}

#[test]
fn a_report_of_errors_is_refused() {
    for line in [
        "  Socket errors: connect 0, read 3, write 0, timeout 0",
        "  Non-2xx or 3xx responses: 73418",
    ] {
        assert_eq!(
            parse(&format!("{REPORT}{line}\n")),
            Err(line.trim().to_owned())
        );
    }
}

#[test]
fn a_report_without_a_figure_is_refused() {
    for figure in ["requests in", "Requests/sec", "50%", "99%"] {
        let cut: String = REPORT
            .lines()
            .filter(|line| !line.contains(figure))
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(parse(&cut).is_err(), "without {figure}");
    }
}

#[test]
fn durations_in_every_unit() {
    for (text, expected) in [
        ("636.00us", Some(636.0)),
        ("1.20ms", Some(1200.0)),
        ("2.00s", Some(2e6)),
        ("1.00m", Some(6e7)),
        ("1.00h", None),
        ("us", None),
        ("", None),
    ] {
        assert_eq!(microseconds(text), expected, "{text:?}");
    }
}
