"""Differences in pairs: no method is left out in silence."""


def test_pictures_of_many_methods_leave_none_out(make_frames):
    from bench.report.analysis.section_analysis import analyse
    from bench.report.plots.canvas import theme
    from bench.report.plots.paired_differences import chosen, draw
    from bench.report.style import looks

    methods = ["random", "weight_selection", *(f"wave{i}" for i in range(11))]
    (analysis,) = analyse(*make_frames(methods=methods, depths=(2,)))
    panels = {panel.versus: len(panel.rows) for panel in chosen(analysis)}
    assert panels == {"random": 12, "the next in accuracy": 12}
    with theme():
        figure = draw([analysis], looks(analysis.section.use)).figure
    # waves are near each other, and far from weight_selection
    assert [axis.get_xscale() for axis in figure.axes] == ["linear", "symlog"]
    assert "logarithmic beyond" in figure.axes[1].get_xlabel()
    family = "methods among themselves"
    titles = [f"digits, to random\n{family}", f"digits, to the next in accuracy\n{family}"]
    assert [axis.get_title() for axis in figure.axes] == titles


def test_pairs_that_have_no_room_are_counted(make_frames):
    from bench.report.analysis.section_analysis import analyse
    from bench.report.plots.canvas import theme
    from bench.report.plots.paired_differences import draw
    from bench.report.style import looks

    (analysis,) = analyse(*make_frames(methods=["random", *(f"wave{i}" for i in range(17))], depths=(2,)))
    with theme():
        figure = draw([analysis], looks(analysis.section.use)).figure
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[0].startswith("digits, to random: the first 16 of 17\n")
    assert {len(a.get_yticks()) for a in figure.axes} == {16}
