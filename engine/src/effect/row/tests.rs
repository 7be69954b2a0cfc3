use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Null,
    Int(i64),
    Float(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl Value {
    fn column(&self) -> Column<'_> {
        match self {
            Value::Null => Column::Null,
            Value::Int(value) => Column::Int(*value),
            Value::Float(value) => Column::Float(*value),
            Value::Text(text) => Column::Text(text.as_bytes()),
            Value::Blob(bytes) => Column::Blob(bytes),
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Int),
        (-1e300..1e300).prop_map(Value::Float),
        ".{0,20}".prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::Blob),
    ]
}

fn table() -> impl Strategy<Value = (usize, Vec<Vec<Value>>)> {
    (0_usize..6).prop_flat_map(|columns| {
        let row = prop::collection::vec(value(), columns);
        (Just(columns), prop::collection::vec(row, 0..8))
    })
}

/// Writes row by row until the bound is hit; how many whole rows fitted.
fn write(
    buffer: &mut ResultBuffer,
    columns: usize,
    rows: &[Vec<Value>],
    bytes_max: usize,
) -> usize {
    let mut writer = buffer.writer(columns as u16, bytes_max);
    for (index, row) in rows.iter().enumerate() {
        for value in row {
            if writer.column(value.column()).is_err() {
                return index;
            }
        }
        writer.end_row();
    }
    rows.len()
}

proptest! {
    #[test]
    fn what_is_written_is_read((columns, table) in table(), bytes_max in 6_usize..400) {
        let mut buffer = ResultBuffer::default();
        // A buffer that served before must not show through.
        write(&mut buffer, 1, &[vec![Value::Text("before".into())]], 100);
        let fitted = write(&mut buffer, columns, &table, bytes_max);
        prop_assert!(buffer.len_bytes() <= bytes_max);

        let rows = buffer.rows();
        prop_assert_eq!(rows.len(), fitted);
        prop_assert_eq!(rows.columns_count(), columns);
        for (row, written) in rows.zip(&table) {
            let read: Vec<_> = row.columns().collect();
            let wanted: Vec<_> = written.iter().map(Value::column).collect();
            prop_assert_eq!(&read, &wanted);
            for (index, wanted) in wanted.into_iter().enumerate() {
                prop_assert_eq!(row.read::<Column<'_>>(index), Ok(wanted));
            }
        }
    }
}

fn one(column: Column<'_>) -> ResultBuffer {
    let mut buffer = ResultBuffer::default();
    let mut writer = buffer.writer(1, 1 << 16);
    writer.column(column).unwrap();
    writer.end_row();
    buffer
}

#[test]
fn a_column_is_read_as_what_it_is() {
    fn read<T: for<'r> FromColumn<'r>>(column: Column<'_>) -> Result<T, String> {
        let buffer = one(column);
        let row = buffer.rows().next().unwrap();
        row.read::<T>(0).map_err(|error| error.to_string())
    }
    assert_eq!(read::<i64>(Column::Int(7)), Ok(7));
    assert_eq!(read::<u8>(Column::Int(7)), Ok(7));
    assert_eq!(read::<bool>(Column::Int(1)), Ok(true));
    assert_eq!(read::<f64>(Column::Int(3)), Ok(3.0));
    assert_eq!(read::<Option<i64>>(Column::Null), Ok(None));
    assert_eq!(read::<Option<i64>>(Column::Int(4)), Ok(Some(4)));

    let refused = |result: Result<i64, String>| result.unwrap_err();
    assert_eq!(
        refused(read::<i64>(Column::Text(b"7"))),
        "column 0: wanted an integer, found text"
    );
    assert_eq!(
        refused(read::<i64>(Column::Null)),
        "column 0: wanted an integer, found NULL"
    );
    assert_eq!(
        read::<u8>(Column::Int(256)).unwrap_err(),
        "column 0: 256 does not fit u8"
    );
    assert_eq!(
        read::<bool>(Column::Int(2)).unwrap_err(),
        "column 0: 2 does not fit bool"
    );
}

#[test]
fn text_is_checked_when_it_is_read() {
    let good = one(Column::Text("grün".as_bytes()));
    assert_eq!(good.rows().next().unwrap().read::<&str>(0), Ok("grün"));

    let bad = one(Column::Text(&[0xff]));
    let row = bad.rows().next().unwrap();
    assert_eq!(row.read::<&str>(0).unwrap_err().reason, Mismatch::NotUtf8);
    assert_eq!(row.read::<&[u8]>(0), Ok(&[0xff][..]));
}

#[test]
fn a_missing_column_is_named() {
    let buffer = one(Column::Int(1));
    let row = buffer.rows().next().unwrap();
    assert_eq!(
        row.read::<i64>(3).unwrap_err().to_string(),
        "column 3: the row has only 1 columns"
    );
}

#[test]
fn the_bound_says_what_was_needed() {
    let mut buffer = ResultBuffer::default();
    let mut writer = buffer.writer(1, 20);
    let refused = writer.column(Column::Text(&[b'a'; 30])).unwrap_err();
    assert_eq!(
        refused,
        TooLarge {
            needed_bytes: 41,
            bytes_max: 20
        }
    );
    assert_eq!(buffer.rows().len(), 0);
}

#[test]
fn one_large_result_does_not_pin_its_memory() {
    let mut buffer = one(Column::Blob(&[0; 10_000]));
    buffer.shrink_to(4096);
    assert!(buffer.capacity_bytes() <= 4096);
    assert_eq!(buffer.rows().len(), 0);
}
