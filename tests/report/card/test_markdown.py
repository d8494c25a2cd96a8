from capsight.report.card.markdown import bullets, table, text


def test_text_from_data_stays_text_on_one_line():
    assert text("<script>alert(1)</script>") == "&lt;script&gt;alert(1)&lt;/script&gt;"
    assert text("[a](http://b) | *c*_d_ `e`\n# f") == r"\[a\](http://b) \| \*c\*\_d\_ \`e\` \# f"
    assert text("&lt;") == "&amp;lt;" and text(None) == "–" and text(0.5) == "0.5"


def test_a_table_keeps_its_columns_whatever_is_in_it():
    lines = table(["Name", "Value"], [["a|b", 1], ["c\nd", None]]).splitlines()
    assert lines == ["| Name | Value |", "| :-- | --: |", r"| a\|b | 1 |", "| c d | – |"]
    assert bullets(["a", "<b>"]) == "- a\n- &lt;b&gt;"
